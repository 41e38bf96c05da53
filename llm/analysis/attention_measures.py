"""How concentrated attention is, and whether it goes to the tokens that the loss depends on, sentence by sentence.

Of a set C of tokens in a sentence, with a[h, q, k] the attention of open head h from place q to place k, all heads
counting alike, and n_q the number of tokens of C that q may look at:

    entropy              `-sum_k b log2 b` of `b = a / m` over k in C, with `m = sum_k a` what falls to C at all; mean
                         over heads and places, weighted by m, over the places with n_q of 2 or more
    normalised_entropy   the same of each place's entropy over `log2 n_q`: 1 for attention to all alike
    received_k           `sum_hq a n_q` over the number of places that may look at k: under attention to all alike the
                         same for every token, behind a causal mask too
    gini                 of received_k over C (population form)
    agreement            Spearman's correlation over C of received_k and the token's value `|e . dL/de|`, with e its
                         input embedding and L the sentence's loss under the same model; 0 where either does not vary

C is all tokens, or, with `ordinary_` in front, those that are not special ([CLS], [SEP], a causal model's first token):
special tokens may hold most of the attention of many heads, and tell nothing of the sentence (`special_share`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn.functional import cross_entropy

from walras.llm.attention import attending
from walras.llm.errors import CouplingError
from walras.llm.resources import is_causal
from walras.llm.scarcity.received import head_weights
from walras.llm.tasks import Examples, Task
from walras.market import InvalidInputError, gini

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["MEASURES", "ORDINARY", "attention_measures"]

ORDINARY: Final = "ordinary_"
_OF_A_SET: Final = ("entropy", "normalised_entropy", "gini", "agreement")
MEASURES: Final = (*_OF_A_SET, *(ORDINARY + name for name in _OF_A_SET), "special_share")

_PAIRS = 2**19  # of places in a forward pass: each has a number for each head of each layer
_MOST = 64  # sentences in a forward pass


def attention_measures(
    economy: "ModelEconomy", task: Task, examples: Examples, *, open_agents: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Measure a model's attention in each of some examples.

    Parameters
    ----------
    economy
        Attached to the whole model; bids do not matter.
    task
        Says how examples are batched, what the loss is, and which tokens are special.
    examples
        Sentences with labels, or windows of a text, of the task.
    open_agents
        Which agents are served, in whole, shape (n,); everyone by default. Closed heads are not looked at.

    Returns
    -------
    DataFrame
        A row per example, in their order; columns `MEASURES`, as in the module's head, entropies in bits. All NaN if no
        head is open; `agreement` NaN with fewer than 2 tokens to rank, entropies where no place sees 2 tokens.

    Raises
    ------
    InvalidInputError
        `open_agents` of another shape.
    CouplingError
        A model that gives no attention probabilities.

    Notes
    -----
    *Ties*: tokens that receive as much, or are worth as much, share their mean rank. *Cost*: one forward and one
    backward pass, with attention that forms probabilities.
    """
    size = len(economy.population)
    served = np.ones(size, dtype=np.bool_) if open_agents is None else np.asarray(open_agents, dtype=np.bool_)
    if served.shape != (size,):
        raise InvalidInputError(f"open_agents must have shape ({size},), one for each agent; got {served.shape}.")
    heads = np.concatenate([served[site.agents] for site in economy.population.sites if site.is_attention])
    if not heads.any():
        return pd.DataFrame(np.nan, index=range(len(examples)), columns=list(MEASURES))
    lengths = np.array([len(row["input_ids"]) for row in examples.rows])
    order = lengths.argsort(kind="stable")
    size_of_part = min(max(_PAIRS // int(lengths.max()) ** 2, 1), _MOST)
    found: list[dict[str, float]] = [{}] * len(examples)
    with _serving(economy, served), attending(economy.model):
        for first in range(0, len(order), size_of_part):
            numbers = order[first : first + size_of_part]
            batch = task.collate([examples.rows[number] for number in numbers])
            for number, row in zip(numbers, _of_batch(economy, task, batch, served), strict=True):
                found[number] = row
    return pd.DataFrame(found, columns=list(MEASURES))


@contextmanager
def _serving(economy: "ModelEconomy", served: NDArray[np.bool_]) -> Iterator[None]:
    shares = torch.from_numpy(served.astype(np.float32)).to(economy.model.device)
    before = economy.gate.given
    economy.gate.given = lambda: shares
    try:
        yield
    finally:
        economy.gate.given = before
        economy.gate.outcome.clearing = None


def _of_batch(
    economy: "ModelEconomy", task: Task, batch: dict[str, Any], served: NDArray[np.bool_]
) -> Iterator[dict[str, float]]:
    model = economy.model
    inputs = {name: column.to(model.device) for name, column in batch.items()}
    tokens = inputs["input_ids"]
    real = inputs.get("attention_mask", torch.ones_like(tokens)).bool()
    causal = is_causal(model)
    ordinary = real & ~torch.isin(tokens, torch.tensor(sorted(task.special), dtype=tokens.dtype, device=tokens.device))
    if causal:
        ordinary &= real.cumsum(1) != 1  # all may look at the first, and many heads rest on it
    attentions, value = _attention_and_value(model, task, inputs)
    weights = head_weights(economy.population, served, attentions[0].shape[1]).to(tokens.device)
    every, some = (_Looks(real, counted, causal=causal) for counted in (real, ordinary))
    for layer, of_heads in zip(attentions, weights, strict=True):
        every.add(layer.float(), of_heads)
        some.add(layer.float(), of_heads)
    worth = value.double().cpu().numpy()
    share = (1.0 - some.held / every.held).cpu().tolist()
    for row, (whole, part) in enumerate(zip(every.rows(worth), some.rows(worth), strict=True)):
        yield {**whole, **{ORDINARY + name: measure for name, measure in part.items()}, "special_share": share[row]}


@final
class _Looks:
    """Sums over the layers of what the tokens of one set are looked at; shapes (batch,), (batch, keys)."""

    def __init__(self, real: Tensor, counted: Tensor, *, causal: bool) -> None:
        seen = real[:, :, None] & counted[:, None, :]  # (batch, queries, keys)
        self.counted = counted
        self.seen = seen.tril() if causal else seen
        self.number = self.seen.sum(-1).float()  # (batch, queries)
        self.looking = (self.number >= 2).float()
        self.lookers = self.seen.sum(1).clamp(min=1).float()  # (batch, keys)
        zeros = torch.zeros(len(real), device=real.device)
        self.bits, self.normal, self.mass, self.held = zeros, zeros, zeros, zeros
        self.received = torch.zeros(counted.shape, device=real.device)

    def add(self, attention: Tensor, weights: Tensor) -> None:
        """Take a layer's attention (batch, heads, queries, keys), with the heads' weights (heads,)."""
        held = attention * self.seen[:, None]
        mass = held.sum(-1)  # (batch, heads, queries)
        part = held / mass.clamp(min=torch.finfo(held.dtype).tiny)[..., None]
        bits = torch.special.entr(part).sum(-1) / np.log(2.0)
        weight = mass * weights[:, None] * self.looking[:, None]
        longest = self.number.clamp(min=2.0).log2()[:, None]
        self.bits = self.bits + (weight * bits).sum((1, 2))
        self.normal = self.normal + (weight * bits / longest).sum((1, 2))
        self.mass = self.mass + weight.sum((1, 2))
        self.held = self.held + (mass * weights[:, None]).sum((1, 2))
        self.received = self.received + torch.einsum("bhqk,h,bq->bk", held, weights, self.number) / self.lookers

    def rows(self, value: NDArray[np.float64]) -> Iterator[dict[str, float]]:
        """Give the measures of each sentence, with the values of its tokens, shape (batch, keys)."""
        entropy, normal = ((total / self.mass).cpu().tolist() for total in (self.bits, self.normal))
        received, counted = self.received.double().cpu().numpy(), self.counted.cpu().numpy()
        for row, chosen in enumerate(counted):
            got, worth = received[row, chosen], value[row, chosen]
            measures = (entropy[row], normal[row], float(gini(got)) if len(got) else np.nan, _agreement(got, worth))
            yield dict(zip(_OF_A_SET, measures, strict=True))


def _agreement(received: NDArray[np.float64], value: NDArray[np.float64]) -> float:
    if len(value) < 2:
        return float("nan")
    if np.ptp(received) == 0.0 or np.ptp(value) == 0.0:
        return 0.0
    return float(spearmanr(received, value).statistic)


def _attention_and_value(model: Any, task: Task, inputs: dict[str, Tensor]) -> tuple[list[Tensor], Tensor]:
    """Give each layer's attention (batch, heads, queries, keys), and the values of tokens (batch, tokens)."""
    found: list[Tensor] = []

    def begin_here(module: Any, arguments: Any, output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[-1]

    # Models work out positions, and where a sentence ends, from token numbers: embeddings are caught on their way.
    hook = model.get_input_embeddings().register_forward_hook(begin_here)
    asked = {name: column for name, column in inputs.items() if name != "labels"}
    more = {"use_cache": False} if is_causal(model) else {}
    try:
        with torch.enable_grad():
            output = model(**asked, **more, output_attentions=True)
            loss = _total_loss(task, output.logits, inputs["labels"])
    finally:
        hook.remove()
    attentions = output.attentions
    if not attentions or any(layer is None for layer in attentions):
        raise CouplingError(f"{type(model).__name__} gives no attention probabilities.")
    (embedded,) = found
    (gradient,) = torch.autograd.grad(loss, embedded)  # sentences do not meet: each has its own loss's
    return [layer.detach() for layer in attentions], (gradient * embedded.detach()).sum(-1).abs()


def _total_loss(task: Task, logits: Tensor, labels: Tensor) -> Tensor:
    if task.text is not None:
        return cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum")
    wide = logits.double()  # in float32 the loss of an answer that is sure has no gradient at all
    if task.outputs == 1:
        return (wide.squeeze(-1) - labels).square().sum()
    return cross_entropy(wide, labels, reduction="sum")
