"""What tokens are worth, beside the compute and the attention that they got.

*Surprisal* `-log2 p(token | tokens before it)` is known under a causal language model; the first token has none.
*Gradient times input* `|e . dL/de|`, with e a token's input embedding, is to first order what the loss would change by
if the token were blanked; it needs a loss.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr
from torch import Tensor

from walras.llm.analysis.use import at_budget
from walras.llm.attention import attending
from walras.llm.config import checked_budget
from walras.llm.errors import CouplingError
from walras.llm.flops import evaluating
from walras.llm.resources import is_causal
from walras.market import InvalidInputError
from walras.market.validation import whole_number

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["token_table", "tokens_by"]


def token_table(
    economy: "ModelEconomy",
    batch: Mapping[str, Tensor],
    *,
    budget: float,
    words: Callable[[Sequence[int]], list[str]] | None = None,
    bought: ArrayLike | None = None,
) -> pd.DataFrame:
    """Give a row for each real token of a batch.

    Parameters
    ----------
    batch
        What the model is called with: input_ids, attention_mask, labels where the model has a loss. A causal language
        model without labels is asked for its own next tokens.
    budget
        Fraction of the agents' resource at which attention is looked at again.
    words
        Gives the text of token numbers: a tokenizer's `convert_ids_to_tokens`, a task's `words`.
    bought
        Share of each layer's processing that each token bought, shape (layers, sequences, tokens), from a market of
        tokens.

    Returns
    -------
    DataFrame
        sequence, position, token, word; surprisal (bits), gradient_x_input (loss), both NaN where they do not exist;
        attention_full, attention_budget (what the token receives, mean over layers, heads and queries, with everyone
        served and under the budget, where closed heads count as nothing); compute, with `bought`: its mean over layers.

    Notes
    -----
    Without a market of tokens every token of a sequence gets the same FLOPs: what a budget moves between them is
    attention.
    """
    fraction = checked_budget(budget)
    model = economy.model
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
    tokens = inputs.get("input_ids")
    if tokens is None:
        raise InvalidInputError("batch must hold input_ids.")
    real = inputs.get("attention_mask", torch.ones_like(tokens)).bool()
    with evaluating(model):
        logits, saliency = _values(economy, inputs)
        columns = {
            "surprisal": _surprisal(model, logits, tokens, real),
            "gradient_x_input": saliency,
            "attention_full": _received(economy, inputs, 1.0, "open"),
            "attention_budget": _received(economy, inputs, fraction, "hard"),
        }
    if bought is not None:
        shares = np.asarray(bought, dtype=np.float64)
        if shares.ndim != 3 or shares.shape[1:] != tuple(tokens.shape):
            raise InvalidInputError(
                f"bought must have shape (layers, {tokens.shape[0]}, {tokens.shape[1]}), got {shares.shape}."
            )
        columns["compute"] = shares.mean(0)
    keep = real.cpu().numpy()
    sequence, position = np.nonzero(keep)
    numbers = tokens.cpu().numpy()[keep]
    texts = [str(number) for number in numbers.tolist()] if words is None else words(numbers.tolist())
    table = pd.DataFrame({"sequence": sequence, "position": position, "token": numbers, "word": texts})
    return table.assign(**{name: values[keep] for name, values in columns.items()})


def tokens_by(table: pd.DataFrame, value: str, got: str, *, groups: int = 5) -> pd.DataFrame:
    """Set what tokens got against what they are worth.

    Parameters
    ----------
    table
        Of `token_table`, of several batches if you like.
    value, got
        Columns: `"surprisal"` or `"gradient_x_input"`; `"compute"`, `"attention_budget"`, ...
    groups
        Groups of equally many tokens, from the least to the most worth.

    Returns
    -------
    DataFrame
        A row per group: group, tokens, mean of `value`, mean of `got`; and in `attrs["spearman"]` the rank correlation
        over all tokens.
    """
    for column in (value, got):
        if column not in table.columns:
            raise InvalidInputError(f"table has no column {column!r}; it has {list(table.columns)}.")
    known = table[[value, got]].dropna()
    wanted = whole_number("groups", groups, minimum=1)
    if len(known) < max(wanted, 2):
        raise InvalidInputError(
            f"{len(known)} tokens have both {value} and {got}, too few for {wanted} groups: a model without a causal "
            "language head has no surprisal, one without labels no gradient."
        )
    ranks = known[value].rank(method="first").to_numpy() - 1.0
    group = np.minimum((ranks * wanted / len(known)).astype(int), wanted - 1)
    result = (
        known.assign(group=group)
        .groupby("group")
        .agg(tokens=(value, "size"), **{value: (value, "mean"), got: (got, "mean")})
    )
    result.attrs["spearman"] = float(spearmanr(known[value], known[got]).statistic)
    return result.reset_index()


def _values(economy: "ModelEconomy", inputs: dict[str, Tensor]) -> tuple[Tensor | None, NDArray[np.float64]]:
    """Logits with everyone served, and gradient times input of each token, shape (sequences, tokens)."""
    model = economy.model
    asked = dict(inputs)
    if "labels" not in asked and is_causal(model) and model.can_generate():
        tokens = asked["input_ids"]
        real = asked.get("attention_mask", torch.ones_like(tokens)).bool()
        asked["labels"] = tokens.masked_fill(~real, -100)
    tokens = asked.pop("input_ids")
    embedded = model.get_input_embeddings()(tokens).detach().requires_grad_()
    with at_budget(economy, 1.0, "open"), torch.enable_grad():
        output = model(inputs_embeds=embedded, **asked)
        loss = getattr(output, "loss", None)
        if loss is None:
            return getattr(output, "logits", None), np.full(tuple(tokens.shape), np.nan)
        (gradient,) = torch.autograd.grad(loss, embedded)
    saliency = (gradient * embedded.detach()).sum(-1).abs()
    return output.logits, saliency.double().cpu().numpy()


def _surprisal(model: object, logits: Tensor | None, tokens: Tensor, real: Tensor) -> NDArray[np.float64]:
    """Bits of each token given those before it, shape (sequences, tokens); NaN without a causal language head."""
    bits = np.full(tuple(tokens.shape), np.nan)
    if logits is None or logits.ndim != 3 or not (is_causal(model) and model.can_generate()):  # type: ignore[arg-type, attr-defined]
        return bits
    log_probability = logits[:, :-1].detach().float().log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1)
    known = (real[:, 1:] & real[:, :-1]).cpu().numpy()
    bits[:, 1:] = np.where(known, -log_probability.double().cpu().numpy() / np.log(2.0), np.nan)
    return bits


@torch.no_grad()
def _received(economy: "ModelEconomy", inputs: dict[str, Tensor], budget: float, mode: str) -> NDArray[np.float64]:
    """Attention that each token receives from real queries, mean over layers and heads, shape (sequences, tokens)."""
    model = economy.model
    given = {name: tensor for name, tensor in inputs.items() if name != "labels"}
    with at_budget(economy, budget, mode), attending(model):
        attentions = model(**given, output_attentions=True).attentions
        shares = economy.gate.clearing.allocation if economy.gate.clearing is not None else None
    if not attentions or any(layer is None for layer in attentions) or shares is None:
        raise CouplingError(f"{type(model).__name__} gives no attention probabilities.")
    tokens = inputs["input_ids"]
    real = inputs.get("attention_mask", torch.ones_like(tokens)).to(attentions[0].dtype)
    total, heads = torch.zeros_like(real), 0
    sites = [site for site in economy.population.sites if site.is_attention]
    for site, layer in zip(sites, attentions, strict=True):  # (sequences, heads, queries, keys)
        open_share = shares[..., site.agents].to(layer.dtype).repeat_interleave(layer.shape[1] // len(site.widths), -1)
        weights = open_share.expand(len(layer), -1)  # (sequences, heads)
        of_queries = (layer * real[:, None, :, None]).sum(2) / real.sum(-1)[:, None, None]
        total += (of_queries * weights[..., None]).sum(1)
        heads += layer.shape[1]
    return (total / heads).double().cpu().numpy()
