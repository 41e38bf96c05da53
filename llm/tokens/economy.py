"""`attach_tokens`: make the tokens of a model compete for the processing of its layers."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm.errors import CouplingError
from walras.llm.flops import evaluating
from walras.llm.resources import is_causal
from walras.llm.tokens.config import TokenConfig, checked_capacities
from walras.llm.tokens.costs import LayerCosts, costs_frame
from walras.llm.tokens.hall import MARKETS_NAME, ReadTokens, TokenMarkets, pooled
from walras.llm.tokens.keys import KeyValues
from walras.llm.tokens.ledger import Recording
from walras.llm.tokens.market import HARD, OPEN, SOFT
from walras.llm.tokens.report import TokenReport, counted
from walras.llm.tokens.saving import SaveWithMarket
from walras.llm.tokens.skipping import SkippingForward
from walras.llm.tokens.support import layers_of
from walras.market import InvalidInputError
from walras.market.validation import finite_number, positive_number

__all__ = ["TokenEconomy", "attach_tokens"]


def attach_tokens(model: PreTrainedModel, config: TokenConfig | None = None) -> "TokenEconomy":
    """Let the tokens of a model buy their processing at some of its layers.

    The model is changed in place. In training mode tokens buy smooth shares; in evaluation mode whole tokens buy, and
    those that do not are passed by: the layer computes less. `TokenEconomy.detach` takes it away again.

    Parameters
    ----------
    model
        A transformers model of a supported `model_type` (`walras.llm.tokens.SUPPORTED`), in memory and whole.
    config
        Which layers sell how much; by default every second layer half of its tokens.

    Raises
    ------
    UnsupportedModelError
        Another architecture, cross-attention, or weights that cannot be read.
    CouplingError
        Tokens have a market already, or the model was exported before.

    Notes
    -----
    *Source*: layers with a capacity and a learned router are the mixture of depths of Raposo et al. 2024; here the
    router is a market, whose price is posted to causal models.
    """
    return TokenEconomy(model, config or TokenConfig())


@final
class TokenEconomy:
    """A model whose tokens buy processing. Made by `attach_tokens`.

    Attributes
    ----------
    model
        The model, changed in place.
    config
        How it was attached, with layers named.
    causal
        Whether tokens face posted prices in evaluation; else the market clears in each sequence.
    markets
        The module inside the model: one `TokenMarket` a layer.
    costs
        FLOPs of each of the layers, by its number.
    """

    def __init__(self, model: PreTrainedModel, config: TokenConfig) -> None:
        layers = layers_of(model)
        self.model = model
        self.config = config.for_layers(len(layers))
        assert self.config.layers is not None
        self.layers = self.config.layers
        self.causal = is_causal(model)
        self.costs = {number: LayerCosts.of(*layers[number]) for number in self.layers}
        if self.config.room is not None and not self.causal:
            raise InvalidInputError(
                "TokenConfig.room bounds who buys at posted prices, and the market of an encoder clears in each "
                "sequence: it sells its capacity, leave room out."
            )
        capacities = checked_capacities(self.config.capacity, len(self.layers))
        hidden_size = layers[0][0].hidden_size
        self.markets = TokenMarkets(self.config, capacities, hidden_size, causal=self.causal)
        self.markets.to(model.device).train(model.training)
        model.add_module(MARKETS_NAME, self.markets)
        self._layers = [layers[number][0].module for number in self.layers]
        for index, (number, market) in enumerate(zip(self.layers, self.markets, strict=True)):
            attention = layers[number][0]
            forward = SkippingForward(attention.module, number, index, market, KeyValues(attention), self.markets)
            attention.module.forward = forward
            forward.keys.put_stand_ins()
        self._hook = model.base_model.register_forward_pre_hook(
            ReadTokens(self.markets, model.base_model), with_kwargs=True
        )
        self._attached = True
        SaveWithMarket.put(model)

    def detach(self) -> PreTrainedModel:
        """Take markets and bidders away, and give the model back as it computes without them."""
        self._require_attached()
        self._hook.remove()
        for layer in self._layers:
            forward = layer.forward
            assert isinstance(forward, SkippingForward)
            forward.keys.take_stand_ins()
            del layer.forward
        delattr(self.model, MARKETS_NAME)
        SaveWithMarket.take(self.model)
        self._attached = False
        return self.model

    @property
    def capacities(self) -> dict[int, float]:
        """Fraction of its sequence's tokens that each layer sells, by its number."""
        return {number: market.capacity for number, market in zip(self.layers, self.markets, strict=True)}

    def set_capacity(self, capacity: float | tuple[float, ...]) -> None:
        """Set what layers sell, in [0, 1], one number for all or one for each, from the next forward pass on.

        Prices that were learned at another capacity are forgotten: a causal model needs some training, or `calibrate`.
        """
        self._require_attached()
        for market, each in zip(self.markets, checked_capacities(capacity, len(self.layers)), strict=True):
            if each != market.capacity:
                market.capacity = each
                market.forget_price()

    @property
    def temperature(self) -> float:
        """Scale of the demand rule (money per token)."""
        return next(iter(self.markets)).temperature

    def set_temperature(self, temperature: float) -> None:
        """Set the scale of the demand rule (money per token), above 0, from the next forward pass on."""
        self._require_attached()
        scale = positive_number("temperature", temperature)
        for market in self.markets:
            market.temperature = scale

    def set_mode(self, mode: str | None) -> None:
        """Clear `"soft"`, `"hard"`, or serve everyone (`"open"`), in every mode of the model.

        None follows the model: soft in training, hard in evaluation. Hard means posted prices in a causal model.
        """
        self._require_attached()
        if mode not in (SOFT, HARD, OPEN, None):
            raise InvalidInputError(f"mode must be 'soft', 'hard', 'open' or None, got {mode!r}.")
        self.markets.mode = mode

    @property
    def prices(self) -> dict[int, float]:
        """Price that each layer posts (money per token), by its number; NaN where none was learned."""
        return {number: float(market.posted_price) for number, market in zip(self.layers, self.markets, strict=True)}

    def set_prices(self, prices: Mapping[int, float]) -> None:
        """Post prices of your own, by the layers' numbers."""
        self._require_attached()
        for number, price in prices.items():
            if number not in self.layers:
                raise InvalidInputError(f"Layer {number} has no market; those that have one are {self.layers}.")
            market = self.markets.markets[self.layers.index(number)]
            market.posted_price.fill_(finite_number("price", price))  # type: ignore[operator]
            market.updates.fill_(1)  # type: ignore[operator]

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Mapping[str, Tensor]]) -> dict[int, float]:
        """Set posted prices to the mean of those at which whole tokens clear some batches, and give them.

        Each batch is one market at each layer, and those who do not buy are passed by at once, so that later layers
        see what they will see.
        """
        self._require_attached()
        for market in self.markets:
            market.forget_price()
        momenta = [market.momentum for market in self.markets]
        with evaluating(self.model), pooled(self.markets):
            try:
                for market in self.markets:
                    market.momentum = 1.0  # a plain mean
                for batch in batches:
                    self.model(**{k: v.to(self.model.device) for k, v in batch.items() if k != "labels"})
            finally:
                for market, momentum in zip(self.markets, momenta, strict=True):
                    market.momentum = momentum
        if any(int(market.updates) == 0 for market in self.markets if market.capacity < 1.0):
            raise InvalidInputError("batches is empty, or its bids are no numbers: prices need a batch or more.")
        return self.prices

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Keep the purchases of every forward pass inside, such as those of `generate`; yields them, with a `frame`."""
        self._require_attached()
        ledger = self.markets.ledger
        ledger.recording = recording = Recording()
        try:
            yield recording
        finally:
            ledger.recording = None

    def purchases(self) -> pd.DataFrame:
        """Give who bought in the last forward pass.

        Returns
        -------
        DataFrame
            A row per real token and layer: forward_pass (0), sequence, position, token (its number, -1 under
            embeddings), layer, valuation and price (money; NaN where a layer serves everyone), share in [0, 1], bought.
        """
        self._require_attached()
        return self.markets.ledger.sold().frame(0)

    def shares(self) -> NDArray[np.float64]:
        """Give the share of each layer for sale that each token bought in the last forward pass, 0 for padding.

        Returns
        -------
        array
            Shape (layers, sequences, tokens), as `walras.llm.analysis.token_table` takes it for `bought`; look at the
            model with everyone served there, `set_mode("open")`.
        """
        self._require_attached()
        sold = self.markets.ledger.sold().purchases
        return np.stack([sold[number][0].shares.double().cpu().numpy() for number in self.layers])

    def flops(self) -> pd.DataFrame:
        """Give what the last forward pass computed at the layers that are for sale.

        Returns
        -------
        DataFrame
            A row per layer: layer, price (mean over sequences), tokens (real ones), bought (share of them), places
            (tokens taken through, those included that fill up a batch), bidder_flops, flops (bidder included),
            dense_flops (the layer without a market).
        """
        self._require_attached()
        sold = self.markets.ledger.sold()
        opened = {number for number, (purchase, _) in sold.purchases.items() if bool(purchase.valuations.isnan().all())}
        return costs_frame(sold, self.costs, self.config.visible, opened)

    def report(self, batch: Mapping[str, Tensor]) -> "TokenReport":
        """Run a batch through the model in evaluation mode, with the market and without; print what it gives."""
        self._require_attached()
        inputs = {name: tensor.to(self.model.device) for name, tensor in batch.items() if name != "labels"}
        mode = self.markets.mode
        try:
            with evaluating(self.model):
                self.markets.mode = OPEN
                dense = counted(self.model, inputs)
                self.markets.mode = HARD
                rationed = counted(self.model, inputs)
        finally:
            self.markets.mode = mode
        return TokenReport(self.flops(), rationed, dense, causal=self.causal)

    def _require_attached(self) -> None:
        if not self._attached:
            raise CouplingError("The market of tokens is detached from its model: attach_tokens() a new one.")
