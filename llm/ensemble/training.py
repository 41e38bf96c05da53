"""Training and scoring a stack: the loop of `fine_tune`, for many members at a time.

The Trainer has one loss, one gradient norm and one data loader for a model. A stack has them for each member, and so a
loop of its own. Optimiser, rates, clipping and loss are those of `walras.llm.training`, member by member.
"""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_linear_schedule_with_warmup

from walras.llm.distillation import Distillation
from walras.llm.ensemble.examples import TensorExamples, aligned_batches
from walras.llm.ensemble.shares import Shares
from walras.llm.ensemble.stack import ModelStack
from walras.llm.flops import evaluating
from walras.llm.tasks.language import token_nats
from walras.llm.training import EVALUATION_BATCH, TrainingSettings
from walras.market import InvalidInputError

__all__ = ["Teacher", "logits_of_members", "nats_of_members", "positions_of", "train_together"]

# What the seeds' models say to a batch: numbers of examples (seeds, batch), and the batch -> logits, seeds first.
Teacher = Callable[[NDArray[np.int64], dict[str, Tensor]], Tensor]

MOST_TOKENS = 2**15  # of a forward pass in training, all members together: more of them are taken in parts
MOST_LOGITS = 2**28  # likewise, where every token has logits of a vocabulary; in float32 they take 1 GiB
SHORT = 128  # tokens up to which attention is of short texts
CLIP = 1.0


def train_together(
    stack: ModelStack,
    examples: TensorExamples,
    settings: TrainingSettings,
    *,
    seeds: Sequence[int],
    shares: Shares,
    teacher: Teacher | None = None,
    distillation: Distillation | None = None,
    most_tokens: int = MOST_TOKENS,
    rates: range | None = None,
) -> None:
    """Train all members of a stack in place, each as `fine_tune` would, on batches of its own seed.

    Parameters
    ----------
    examples
        Of the task, on the stack's device.
    settings
        Of every member; `seed` is that of dropout, which is drawn for the stack as a whole.
    seeds
        Of the batches: as many as members, or a divisor of their number. Member e has the seed of number e modulo
        theirs, so that members of several budgets and one seed see the same batches.
    shares
        How open each agent of each member is.
    teacher, distillation
        From whom members learn, and what; only logits.
    most_tokens
        Of a forward pass, padding and all members and lanes included; a larger batch is taken in parts. Where every
        token has logits, they may be fewer: `MOST_LOGITS`.
    rates
        Which steps' learning rates this training has, `range(first, whole)`, if it is a part of one of `whole` steps
        that is behind its `first` ones; by default it is a whole one, with a warm-up of its own.

    Raises
    ------
    InvalidInputError
        Seeds that do not divide the members; settings that a stack does not have; rates of fewer steps.
    """
    distillation = distillation or Distillation()
    if not seeds or stack.size % len(seeds):
        raise InvalidInputError(f"{len(seeds)} seeds do not divide {stack.size} members into equal groups.")
    rates = rates or range(settings.steps)
    if len(rates) < settings.steps:
        raise InvalidInputError(f"rates must be those of {settings.steps} steps or more, got {rates}: {len(rates)}.")
    if distillation.needs_layers or settings.accumulation != 1:
        raise InvalidInputError("A stack learns from a teacher's logits alone, without accumulation of batches.")
    if examples.columns["labels"].ndim > 1:
        most_tokens = min(most_tokens, _tokens_with_logits(stack))
    torch.manual_seed(settings.seed)
    weights = stack.parameters()
    optimiser = torch.optim.AdamW(
        _decay_groups(weights, shares.parameters(), settings.weight_decay),
        lr=settings.learning_rate,
        fused=stack.model.device.type == "cuda",
    )
    learning_rates = _learning_rates(optimiser, settings, rates)
    batches = aligned_batches(examples.lengths, settings.batch_size, seeds)
    forward = torch.compile(stack.model, dynamic=True) if settings.compiled else stack.model
    trained = [*weights.values(), *shares.parameters()]
    stack.model.train()
    with _gated(stack, shares.shares):
        for step in range(settings.steps):
            shares.begin_step(step, settings.steps)
            numbers = next(batches)
            for part in _parts(numbers, examples, stack, shares.lanes, most_tokens):
                loss = _loss(stack, forward, examples, part, shares, settings, teacher, distillation)
                (loss * part.shape[1] / numbers.shape[1]).backward()
            _clip_each([parameter for parameter in trained if parameter.grad is not None], stack.size)
            optimiser.step()
            learning_rates.step()
            shares.end_step()
            optimiser.zero_grad()
    stack.model.eval()


def _loss(
    stack: ModelStack,
    forward: Callable[..., Any],
    examples: TensorExamples,
    numbers: NDArray[np.int64],
    shares: Shares,
    settings: TrainingSettings,
    teacher: Teacher | None,
    distillation: Distillation,
) -> Tensor:
    """Give the sum of all members' losses: each has its own gradient, as if it were alone."""
    of_seeds = examples.batch(numbers.flatten())
    inputs = {name: _for_members(column, len(numbers), stack.size, shares.lanes) for name, column in of_seeds.items()}
    longest = inputs["input_ids"].shape[1]
    # Where labels weigh nothing, the model is not told them: its own loss takes several passes over all logits.
    tells = teacher is None or distillation.task_weight > 0.0 or distillation.logits_weight == 0.0
    told = {name: column for name, column in inputs.items() if tells or name != "labels"}
    with _precision(stack, settings), _attention(stack, longest):
        outputs = forward(**told, **positions_of(stack.model, inputs["input_ids"]))
        if teacher is None:
            loss = outputs.loss  # a mean over rows, and members have equally many
        else:
            with torch.no_grad():
                taught = teacher(numbers, of_seeds)
            loss = _distance(stack, outputs.logits, taught, inputs, numbers, shares, settings, distillation)
            loss = loss + distillation.task_weight * outputs.loss if tells else loss
    total = stack.size * loss
    owed = shares.penalty()
    return total if owed is None else total + owed.sum()


def _distance(
    stack: ModelStack,
    logits: Tensor,
    taught: Tensor,
    inputs: dict[str, Tensor],
    numbers: NDArray[np.int64],
    shares: Shares,
    settings: TrainingSettings,
    distillation: Distillation,
) -> Tensor:
    """Give how far members are from their seeds' teachers, whose logits are not copied for each member and lane."""
    seeds = len(numbers)
    apart = (stack.size // seeds, seeds, shares.lanes, -1)  # as `_of_members` has them
    # Labels and masks of examples that have one row of logits each say nothing about rows.
    rows = {name: column.unflatten(0, apart) for name, column in inputs.items()} if logits.ndim > 2 else {}
    return distillation.of_teacher(
        _Logits(logits.unflatten(0, apart)),
        _Logits(_of_members(taught, seeds, stack.size, shares.lanes)),
        rows,
        compiled=settings.compiled,
    )


class _Logits:
    """Logits of students or their teachers, as `Distillation` reads them."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


@torch.no_grad()
def logits_of_members(
    stack: ModelStack,
    examples: TensorExamples,
    allocation: NDArray[np.bool_],
    *,
    bf16: bool = False,
    most_tokens: int = 4 * MOST_TOKENS,
) -> NDArray[np.float32]:
    """Give every member's logits of every example, shape (members, examples, ...), whole agents served.

    Parameters
    ----------
    allocation
        Whom each member serves, shape (members, n).
    """
    logits: Tensor | None = None
    for numbers, found in _scored(stack, examples, allocation, bf16=bf16, most_tokens=most_tokens):
        if logits is None:
            logits = found.new_empty((stack.size, len(examples), *found.shape[2:]), dtype=torch.float32)
        logits[:, torch.from_numpy(numbers).to(logits.device)] = found.float()
    assert logits is not None  # examples are never empty
    return cast(NDArray[np.float32], logits.cpu().numpy())


@torch.no_grad()
def nats_of_members(
    stack: ModelStack, examples: TensorExamples, allocation: NDArray[np.bool_], *, bf16: bool = False
) -> NDArray[np.float64]:
    """Give every member's negative log-likelihood of every example's tokens, shape (members, examples), in nats.

    Parameters
    ----------
    examples
        Of a task of language modelling; tokens that are not scored have the label -100.
    allocation
        Whom each member serves, shape (members, n).
    """
    nats = np.empty((stack.size, len(examples)))
    # Four times as many as in training: nothing is kept for a backward pass, and few long steps leave no device idle.
    most_tokens = 4 * _tokens_with_logits(stack)
    for numbers, found in _scored(stack, examples, allocation, bf16=bf16, most_tokens=most_tokens):
        labels = examples.batch(numbers)["labels"].repeat(stack.size, 1)
        nats[:, numbers] = token_nats(found.flatten(0, 1), labels)[0].reshape(stack.size, -1)
    return nats


def _scored(
    stack: ModelStack, examples: TensorExamples, allocation: NDArray[np.bool_], *, bf16: bool, most_tokens: int
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Give numbers of examples, in order of length, and their logits, shape (members, batch, ...)."""
    open_agents = torch.from_numpy(allocation.astype(np.float32)).to(stack.model.device)
    order = examples.lengths.argsort(kind="stable")
    with evaluating(stack.model), _gated(stack, lambda: open_agents):
        first = 0
        while first < len(order):
            # Ascending lengths: what fits is told by the longest of the largest batch that may come.
            longest = int(examples.lengths[order[min(first + EVALUATION_BATCH, len(order)) - 1]])
            size = min(max(most_tokens // (longest * stack.size), 1), EVALUATION_BATCH)
            numbers = order[first : first + size]
            batch = {name: column for name, column in examples.batch(numbers).items() if name != "labels"}
            inputs = {name: _for_members(column, 1, stack.size, 1) for name, column in batch.items()}
            with torch.autocast(stack.model.device.type, torch.bfloat16, enabled=bf16):
                found = stack.model(**inputs, **positions_of(stack.model, inputs["input_ids"])).logits
            yield numbers, found.unflatten(0, (stack.size, -1))
            first += size


def _tokens_with_logits(stack: ModelStack) -> int:
    return max(MOST_LOGITS // int(stack.model.config.vocab_size), 1)


@contextlib.contextmanager
def _gated(stack: ModelStack, source: Callable[[], Tensor]) -> Iterator[None]:
    stack.economy.gate.given = source
    try:
        yield
    finally:
        stack.economy.gate.given = None


def _parts(
    numbers: NDArray[np.int64], examples: TensorExamples, stack: ModelStack, lanes: int, most_tokens: int
) -> list[NDArray[np.int64]]:
    """Cut a step's numbers, shape (seeds, batch), into parts of few enough tokens."""
    tokens = int(examples.lengths[numbers].max()) * numbers.shape[1] * stack.size * lanes
    return np.array_split(numbers, min(math.ceil(tokens / most_tokens), numbers.shape[1]), axis=1)


def _for_members(column: Tensor, seeds: int, members: int, lanes: int) -> Tensor:
    """Give (seeds * batch, ...) as (members * lanes * batch, ...): seeds go round, lanes have the same rows."""
    return _of_members(column, seeds, members, lanes).reshape(-1, *column.shape[1:])


def _of_members(column: Tensor, seeds: int, members: int, lanes: int) -> Tensor:
    """Give (seeds * batch, ...) as (members / seeds, seeds, lanes, batch, ...), which is no copy."""
    of_seed = column.unflatten(0, (1, seeds, 1, -1))
    return of_seed.expand(members // seeds, -1, lanes, *of_seed.shape[3:])


def positions_of(model: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    """Positions of each row, where a model looks them up in a table: by itself it would look up one row for all."""
    if model not in _LOOKS_POSITIONS_UP:
        tables = (name for name, m in model.named_modules() if isinstance(m, nn.Embedding) and m.padding_idx is None)
        has_table = any(name.endswith(("position_embeddings", "wpe")) for name in tables)
        _LOOKS_POSITIONS_UP[model] = has_table and "position_ids" in inspect.signature(model.forward).parameters
    if not _LOOKS_POSITIONS_UP[model]:
        return {}
    return {"position_ids": torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens).contiguous()}


# Asked once for each model, which must not be kept alive for that: a stack fills a device.
_LOOKS_POSITIONS_UP: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def _precision(stack: ModelStack, settings: TrainingSettings) -> torch.autocast:
    return torch.autocast(stack.model.device.type, torch.bfloat16, enabled=settings.bf16)


@contextlib.contextmanager
def _attention(stack: ModelStack, longest: int) -> Iterator[None]:
    """Keep short texts from the kernels that serve long ones first: their tiles would be nearly empty."""
    if stack.model.device.type != "cuda" or longest > SHORT:
        yield
        return
    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        yield


def _learning_rates(optimiser: torch.optim.Optimizer, settings: TrainingSettings, steps: range) -> LRScheduler:
    for group in optimiser.param_groups:
        group["initial_lr"] = group["lr"]  # a schedule that does not begin at its first step asks for it
    whole = steps.stop
    return get_linear_schedule_with_warmup(
        optimiser, round(settings.warm_up * whole), whole, last_epoch=steps.start - 1
    )


def _decay_groups(
    weights: dict[str, nn.Parameter], others: list[nn.Parameter], weight_decay: float
) -> list[dict[str, Any]]:
    """Weights decay, biases and norms do not, as in the Trainer."""
    without = [w for name, w in weights.items() if name.endswith(".bias") or "norm" in name.lower()]
    skipped = {id(weight) for weight in without}
    decaying = [w for w in weights.values() if id(w) not in skipped]
    return [
        {"params": [*decaying, *others], "weight_decay": weight_decay},
        {"params": without, "weight_decay": 0.0},
    ]


@torch.no_grad()
def _clip_each(parameters: list[nn.Parameter], members: int) -> None:
    """Scale each member's gradients so that their norm is at most 1, as `max_grad_norm` does for one model."""
    gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
    norms = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    factors = (CLIP / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(members, *(1,) * (gradient.ndim - 1)))
