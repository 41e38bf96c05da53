"""The scarcity study: cut a standard model's compute without training, and see where attention goes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm.attention import attending
from walras.llm.baselines.gradients import michel_importance, share_gradients
from walras.llm.config import EconomyConfig
from walras.llm.economy import ModelEconomy, attach
from walras.llm.population import HEAD
from walras.llm.scarcity.cuts import (
    BY_LOT,
    LEAST,
    MOST,
    TEMPERATURE,
    TOKENS,
    Cut,
    closing_heads,
    dropped_tokens,
    shuffled_layers,
)
from walras.llm.scarcity.cuts import tempered as at_the_temperature
from walras.llm.scarcity.losses import hidden_groups, losses_of, prediction_losses
from walras.llm.scarcity.outcomes import PARTS, changes_of, concentration, movement_to_value
from walras.llm.scarcity.received import (
    among,
    at_temperature,
    attention_and_logits,
    attention_of,
    head_weights,
    received,
)
from walras.llm.scarcity.texts import CAUSAL, LABEL, MASKED, TextBatch, Texts, objective_of
from walras.llm.scarcity.values import TokenValues, token_values
from walras.market import InvalidInputError

__all__ = ["IN_ORDER", "SHUFFLED", "ScarcityTables", "cuts_of", "scarcity_study"]

IN_ORDER, SHUFFLED = "in order", "shuffled"
GRADIENT, SURPRISAL, RANDOM = "gradient x input", "surprisal", "random"
ALL, ORDINARY = "all", "ordinary"


@final
@dataclass(frozen=True)
class ScarcityTables:
    """What a scarcity study gives: rows that a summary is made of, none of them a mean over texts.

    Attributes
    ----------
    shifts
        A row per text, cut, order of the layers, set of tokens, kind of value and part of the change: top_share,
        rank_correlation, adjusted_correlation (see `movement_to_value`).
    concentration
        A row per text, cut, order of the layers and set of tokens: gini and entropy (bits) of the attention that tokens
        receive, whole, cut by itself and cut; moved (share of the attention that changes its token) in total and by
        reallocation.
    losses
        A row per text and cut: loss (nats a prediction) of the whole model and of the model that is cut, on the same
        predictions.
    whole
        A row per text, set of tokens and kind of value: top_share and rank_correlation of the attention that tokens
        receive in the whole model.
    """

    shifts: pd.DataFrame
    concentration: pd.DataFrame
    losses: pd.DataFrame
    whole: pd.DataFrame


def scarcity_study(
    model: PreTrainedModel,
    texts: Texts,
    calibration: Texts,
    cuts: Sequence[Cut],
    rng: Generator,
    *,
    batch_size: int = 32,
    top: float = 0.2,
) -> ScarcityTables:
    """Cut a model in several ways, and set the movement of attention against what tokens are worth to the whole model.

    Parameters
    ----------
    model
        Any supported model with a head that predicts; it is given back unchanged.
    texts
        What is looked at.
    calibration
        Other texts, on which the importance of heads is measured (Michel et al. 2019).
    cuts
        What is tried. The first draw of each is tried on the model with shuffled layers as well.
    rng
        For what is drawn: hidden tokens, heads and tokens that go, random values, the order of shuffled layers.
    top
        Fraction of a text's tokens that counts as high in value.

    Notes
    -----
    *Cost*: a forward pass, and one for the loss, for each cut; half of it again for the control.
    """
    if not cuts or len(set(cuts)) < len(cuts):
        raise InvalidInputError(f"cuts must be one or more different cuts, got {list(cuts)}.")
    drawn, values_rng, hidden_rng, order_rng = rng.spawn(4)
    found = token_values(model, texts, hidden_rng)
    worth = [_values(of_text, texts, number, values_rng) for number, of_text in enumerate(found)]
    economy = attach(model, EconomyConfig(agents=(HEAD,)))
    try:
        economy.set_mode("open")
        objective = objective_of(model, texts)
        importance = michel_importance(
            share_gradients(economy, list(_labelled(calibration, objective, batch_size, hidden_rng))),
            economy.population,
        )
        seed = int(drawn.integers(2**31))
        study = _Study(economy, texts, objective, importance, worth, cuts, seed, top)
        with attending(model), torch.no_grad():
            for batch in texts.batches(batch_size, model.device):
                hidden = hidden_groups(batch, 6, hidden_rng) == 0 if objective == MASKED else None
                study.look(batch, hidden)
            first = tuple(cut for cut in cuts if cut.draw == 0)
            with shuffled_layers(model, economy, order_rng) as order:
                for batch in texts.batches(batch_size, model.device):
                    study.look(batch, None, order=order, cuts=first)
    finally:
        economy.detach()
    return study.tables()


def _values(found: TokenValues, texts: Texts, number: int, rng: Generator) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Values by set of tokens and kind, those of other tokens left out; random ones are the gradient's, permuted."""
    ordinary = texts.ordinary(number)
    sets = {ALL: np.ones_like(ordinary), ORDINARY: ordinary}
    given = {
        name: {GRADIENT: found.gradient[chosen], RANDOM: rng.permutation(found.gradient[chosen])}
        for name, chosen in sets.items()
    }
    if not np.isnan(found.surprisal[ordinary]).any():
        given[ORDINARY][SURPRISAL] = found.surprisal[ordinary]
    return given


def _labelled(texts: Texts, objective: str, batch_size: int, rng: Generator) -> Iterator[dict[str, Tensor]]:
    """Give what the model is called with to have a loss."""
    for batch in texts.batches(batch_size):
        inputs = {"input_ids": batch.tokens, "attention_mask": batch.real.long()}
        if objective == LABEL and batch.labels is not None:
            inputs["labels"] = batch.labels
        elif objective == CAUSAL:
            inputs["labels"] = batch.tokens.masked_fill(~batch.real, -100)
        else:
            hidden = hidden_groups(batch, 6, rng) == 0
            inputs["labels"] = batch.tokens.masked_fill(~hidden, -100)
            inputs["input_ids"] = batch.tokens.masked_fill(hidden, texts.mask or 0)
        yield inputs


@final
@dataclass
class _Study:
    """What is looked at, and the rows so far."""

    economy: ModelEconomy
    texts: Texts
    objective: str
    importance: NDArray[np.float64]
    worth: Sequence[Mapping[str, Mapping[str, NDArray[np.float64]]]]
    cuts: Sequence[Cut]
    seed: int
    top: float
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"shifts": [], "concentration": [], "losses": [], "whole": []}
    )

    def look(
        self,
        batch: TextBatch,
        hidden: Tensor | None,
        *,
        order: NDArray[np.int64] | None = None,
        cuts: Sequence[Cut] | None = None,
    ) -> None:
        """Look at some texts under every cut."""
        model = self.economy.model
        whole, losses = self._pass(batch, hidden, order=order)
        even = head_weights(self.economy.population, None, whole.shape[2])
        before = received(whole, even, batch.real)
        if order is None:
            self._record_whole(batch, before)
        for cut in self.cuts if cuts is None else cuts:
            with ExitStack() as stack:
                weights, left, base = even, batch.real, whole
                rng = np.random.default_rng([self.seed, cut.draw, int(batch.numbers[0])])
                if cut.closes_heads:
                    heads_rng = np.random.default_rng([self.seed, cut.draw])  # the same heads for all texts
                    is_open = stack.enter_context(closing_heads(self.economy, cut, self.importance, heads_rng))
                    weights = head_weights(self.economy.population, is_open, whole.shape[2])
                elif cut.kind == TEMPERATURE:
                    stack.enter_context(at_the_temperature(model, cut.level))
                    base = at_temperature(whole, cut.level)
                elif cut.kind == TOKENS:
                    left = dropped_tokens(batch, cut.level, rng, never=hidden)
                    base = among(whole, left)
                after, losses_after = self._pass(batch, hidden, real=left, order=order)
                stages = np.stack([before, received(base, weights, left), received(after, weights, left)])
                keys = {
                    "cut": cut.kind,
                    "level": cut.level,
                    "draw": cut.draw,
                    "layers": IN_ORDER if order is None else SHUFFLED,
                }
                self._record(batch, stages, left, keys)
                if order is None:
                    self._record_losses(batch, losses, losses_after, keys)

    def _pass(
        self,
        batch: TextBatch,
        hidden: Tensor | None,
        *,
        real: Tensor | None = None,
        order: NDArray[np.int64] | None = None,
    ) -> tuple[Tensor, NDArray[np.float64]]:
        """Give attention and, of layers in order, losses: in one pass, unless tokens have to be hidden for the loss."""
        model = self.economy.model
        if order is not None:
            return attention_of(model, batch, real=real, order=order), np.empty(0)
        if hidden is not None:
            attention = attention_of(model, batch, real=real)
            losses = prediction_losses(model, batch, self.objective, hidden=hidden, mask=self.texts.mask, real=real)
        else:
            attention, logits = attention_and_logits(model, batch, real=real)
            losses = losses_of(logits, batch, self.objective, batch.real if real is None else real, None)
        return attention, losses.double().cpu().numpy()

    def _sets(self, batch: TextBatch, row: int, left: NDArray[np.bool_]) -> Iterator[tuple[str, Any, Any]]:
        """Give each set of a text's tokens: its name, which places are in it, and which of its values are left."""
        ordinary = batch.ordinary[row].cpu().numpy()
        for name, chosen in ((ALL, batch.real[row].cpu().numpy()), (ORDINARY, ordinary)):
            places = chosen & left
            yield name, places, left[chosen]

    def _record(self, batch: TextBatch, stages: NDArray[np.float64], left: Tensor, keys: dict[str, Any]) -> None:
        still = left.cpu().numpy()
        for row, number in enumerate(batch.numbers.tolist()):
            for name, places, of_values in self._sets(batch, row, still[row]):
                shares = stages[:, row, places]
                changes = changes_of(shares)
                known = self.worth[number][name]
                values = np.stack([each[of_values] for each in known.values()])
                covariates = np.stack([np.flatnonzero(places), shares[0]])
                facts = {"text": number, **keys, "tokens": name}
                found = movement_to_value(changes, values, covariates, top=self.top)
                for part, part_name in enumerate(PARTS):
                    for kind, value in enumerate(known):
                        numbers = {outcome: float(table[part, kind]) for outcome, table in found.items()}
                        self.rows["shifts"].append({**facts, "value": value, "part": part_name, **numbers})
                spread = {
                    f"{measure}_{stage}": float(at_stages[place])
                    for measure, at_stages in concentration(shares).items()
                    for place, stage in enumerate(("whole", "by_itself", "cut"))
                }
                moved = np.abs(changes).sum(1) / 2.0
                self.rows["concentration"].append(
                    {**facts, **spread, "moved": float(moved[0]), "moved_by_reallocation": float(moved[2])}
                )

    def _record_whole(self, batch: TextBatch, before: NDArray[np.float64]) -> None:
        everything = batch.real.cpu().numpy()
        for row, number in enumerate(batch.numbers.tolist()):
            for name, places, _ in self._sets(batch, row, everything[row]):
                shares = before[row, places][None] / before[row, places].sum()
                known = self.worth[number][name]
                place = np.flatnonzero(places)[None].astype(float)
                found = movement_to_value(shares, np.stack(list(known.values())), place, top=self.top)
                for kind, value in enumerate(known):
                    numbers = {outcome: float(table[0, kind]) for outcome, table in found.items()}
                    self.rows["whole"].append({"text": number, "tokens": name, "value": value, **numbers})

    def _record_losses(
        self, batch: TextBatch, whole: NDArray[np.float64], cut: NDArray[np.float64], keys: dict[str, Any]
    ) -> None:
        both = ~np.isnan(cut) & ~np.isnan(whole)  # dropped tokens take predictions with them
        for row, number in enumerate(batch.numbers.tolist()):
            counted = both[row]
            self.rows["losses"].append(
                {
                    "text": number,
                    **{key: keys[key] for key in ("cut", "level", "draw")},
                    "loss_whole": float(whole[row, counted].mean()),
                    "loss_cut": float(cut[row, counted].mean()),
                }
            )

    def tables(self) -> ScarcityTables:
        return ScarcityTables(**{name: pd.DataFrame(rows) for name, rows in self.rows.items()})


def cuts_of(
    heads: Sequence[float], temperatures: Sequence[float], tokens: Sequence[float], *, draws: int
) -> tuple[Cut, ...]:
    """Give all cuts at some levels, with several draws of what is drawn."""
    return (
        *(Cut(kind, level) for kind in (LEAST, MOST) for level in heads),
        *(Cut(BY_LOT, level, draw) for level in heads for draw in range(draws)),
        *(Cut(TEMPERATURE, level) for level in temperatures),
        *(Cut(TOKENS, level, draw) for level in tokens for draw in range(draws)),
    )
