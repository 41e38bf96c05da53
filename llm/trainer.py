"""A Trainer whose steps have several budgets, and whose model may learn from a teacher."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import PreTrainedModel, Trainer, TrainingArguments

from walras.llm.callback import EconomyCallback
from walras.llm.distillation import Distillation
from walras.llm.errors import CouplingError

__all__ = ["EconomyTrainer"]


@final
class EconomyTrainer(Trainer):
    """The ordinary `Trainer`, with elastic steps and distillation.

    With a market, each optimiser step is one of the schedule's budgets together (the sandwich rule): the loss is the
    mean over them. Without a teacher, the first budget's model (the whole, in an `ElasticBudget`) teaches the others;
    with one, it teaches all. Everything else, from accumulation to mixed precision, checkpoints and several processes,
    is the Trainer's.

    Parameters
    ----------
    model, args, **others
        As for `transformers.Trainer`.
    market
        An economy's callback, which need not be among `callbacks`; None trains without a market.
    teacher
        A model of the same task, for instance the dense one; it is moved to the training's device, and not changed.
    distillation
        What is learned from the teacher.
    penalty
        Gives a term to add to the loss of each forward pass, beside what agents owe under a tax or a posted price.
    side_by_side
        Whether a step's budgets share one forward pass, in which the batch is repeated for each: fast where a model is
        too small to fill its device. Otherwise they go one after the other, in the memory of one.
    sampler
        Gives the order of training examples; by default the Trainer's, at random.

    Notes
    -----
    Both ways have the same gradient, up to dropout.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments | None = None,
        *,
        market: EconomyCallback | None = None,
        teacher: PreTrainedModel | None = None,
        distillation: Distillation | None = None,
        penalty: Callable[[], Tensor] | None = None,
        side_by_side: bool = True,
        sampler: Sampler[int] | None = None,
        **others: Any,
    ) -> None:
        if market is not None and market.economy.model is not model:
            raise CouplingError("The market belongs to another model: attach an economy to the model that is trained.")
        if market is not None:  # first, so that other callbacks see a step's market as it ends
            market.takes_turns = False
            callbacks = others.get("callbacks") or []
            others["callbacks"] = [market, *(callback for callback in callbacks if callback is not market)]
        super().__init__(model, args, **others)
        if self.compute_loss_func is None and not _counts_items(model):
            self.model_accepts_loss_kwargs = False
        self.market = market
        self.distillation = distillation or Distillation()
        self.penalty = penalty
        self.side_by_side = side_by_side
        self.sampler = sampler
        self._teacher: Any = None
        self._taught: Any = None  # outputs of the pass that teaches the others of its step
        if teacher is not None:
            self._teacher = teacher.to(self.args.device).eval()
            if self.args.torch_compile:
                self._teacher = torch.compile(teacher, backend=self.args.torch_compile_backend)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **named: Any) -> Tensor:
        """Give the loss of one batch at all budgets of the step, and leave the gradients."""
        budgets = self.market.budgets if self.market is not None else ()
        if self.side_by_side or len(budgets) < 2:
            loss = super().training_step(model, inputs, *arguments, **named)
            self._after_pass()
            return loss
        loss = torch.zeros((), device=self.args.device)
        for number, budget in enumerate(budgets):
            assert self.market is not None
            self.market.open_lanes((budget,))
            is_last = number == len(budgets) - 1
            with contextlib.nullcontext() if is_last else self.accelerator.no_sync(model):
                loss += super().training_step(model, dict(inputs), *arguments, **named)
            self._after_pass()
        self._taught = None
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 (the Trainer's signature)
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Give the loss of a forward pass: of the task, of what a teacher says, and of what agents owe."""
        if not self.model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        budgets = self.market.budgets if self.market is not None else ()
        lanes = len(budgets) if self.side_by_side else 1
        wide = _repeated(inputs, lanes)
        if self.distillation.needs_layers:
            wide["output_hidden_states"] = True
        # Losses that are sums over a count of items, and not means, have as many times the items.
        items = num_items_in_batch if num_items_in_batch is None else num_items_in_batch * max(lanes, 1)
        with self._levy_apart():
            task, outputs = super().compute_loss(model, dict(wide), return_outputs=True, num_items_in_batch=items)
        extra = self._distance(outputs, inputs, wide, lanes, len(budgets))
        if self.market is not None and (levy := self.market.economy.levy()) is not None:
            extra = extra + levy
        if self.penalty is not None:
            extra = extra + self.penalty()
        if self._is_scaled(num_items_in_batch):
            extra = extra / self.current_gradient_accumulation_steps
        weight = self.distillation.task_weight if self._has_teacher(budgets) else 1.0
        loss = weight * task + extra
        if not self.side_by_side:
            loss = loss / max(len(budgets), 1)
        return (loss, outputs) if return_outputs else loss

    @contextlib.contextmanager
    def _levy_apart(self) -> Iterator[None]:
        """Keep what agents owe out of the model's own loss: the weight of the task is not that of the levy."""
        if self.market is None:
            yield
            return
        gate = self.market.economy.gate
        gate.levies_itself = False
        try:
            yield
        finally:
            gate.levies_itself = True

    def _get_train_sampler(self, *arguments: Any, **named: Any) -> Sampler[int] | None:
        return self.sampler if self.sampler is not None else super()._get_train_sampler(*arguments, **named)

    def log(self, logs: dict[str, float], *arguments: Any, **named: Any) -> None:
        """Log the market's last numbers with the loss."""
        if self.market is not None and "loss" in logs:
            logs = {**logs, **self.market.latest()}
        super().log(logs, *arguments, **named)

    def _has_teacher(self, budgets: tuple[float, ...]) -> bool:
        return self._teacher is not None or len(budgets) > 1

    def _distance(
        self, outputs: Any, inputs: Mapping[str, Any], wide: Mapping[str, Any], lanes: int, of: int
    ) -> Tensor:
        """Give what the pass has to learn from a teacher, or from the first pass of its step."""
        zero = torch.zeros((), device=self.args.device)
        if self._teacher is not None:
            with torch.no_grad():
                questions = {name: value for name, value in inputs.items() if name != "labels"}
                if self.distillation.needs_layers:
                    questions["output_hidden_states"] = True
                taught = self._teacher(**questions)
            return self.distillation.of_teacher(outputs, _repeated_outputs(taught, lanes), wide)
        if of < 2:
            return zero
        if self.side_by_side:
            first, rest = _part(outputs, 0, 1, lanes), _part(outputs, 1, lanes, lanes)
            distance = self.distillation.of_teacher(
                rest, _repeated_outputs(first, lanes - 1), _repeated(inputs, lanes - 1)
            )
            return distance * (lanes - 1) / lanes  # a mean over all lanes, the first of which has nothing to learn
        if self._taught is None:
            self._taught = _part(outputs, 0, 1, 1)
            return zero
        return self.distillation.of_teacher(outputs, self._taught, inputs)

    def _is_scaled(self, items: Tensor | int | None) -> bool:
        """Whether the Trainer takes the loss to be divided by the number of accumulated batches already."""
        stated = getattr(self, "loss_is_scaled_for_ga", None)
        if stated is not None:
            return bool(stated)
        return (self.model_accepts_loss_kwargs and items is not None) or self.compute_loss_func is not None

    def _after_pass(self) -> None:
        if self.market is not None and self.market.budgets:
            self.market.after_pass()


def _counts_items(model: PreTrainedModel) -> bool:
    """Whether the model's loss is a sum over the items of all accumulated batches, divided by their number.

    The Trainer takes it to be so for every model whose `forward` has keyword arguments, which is most; but losses of
    classification and regression are means over a batch, and would be too large by the number of batches.
    """
    return any(part in type(model).__name__ for part in ("ForCausalLM", "LMHeadModel"))


@final
class _Outputs:
    """Logits and hidden states of some lanes."""

    def __init__(self, logits: Tensor | None, hidden_states: tuple[Tensor, ...] | None) -> None:
        self.logits = logits
        self.hidden_states = hidden_states


def _part(outputs: Any, first: int, stop: int, lanes: int) -> _Outputs:
    """Give the outputs of lanes from `first` to before `stop`."""

    def cut(tensor: Tensor) -> Tensor:
        size = tensor.shape[0] // lanes
        return tensor[first * size : stop * size]

    states = getattr(outputs, "hidden_states", None)
    if states is None:
        states = getattr(outputs, "decoder_hidden_states", None)
    logits = getattr(outputs, "logits", None)
    return _Outputs(
        None if logits is None else cut(logits), None if states is None else tuple(cut(state) for state in states)
    )


def _repeated_outputs(outputs: Any, times: int) -> _Outputs:
    part = _part(outputs, 0, 1, 1)
    return _Outputs(
        None if part.logits is None else _tiled(part.logits.detach(), times),
        None if part.hidden_states is None else tuple(_tiled(state.detach(), times) for state in part.hidden_states),
    )


def _repeated(inputs: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Give a batch several times, one behind the other."""
    return {
        name: _tiled(value, times) if isinstance(value, Tensor) and value.ndim > 0 else value
        for name, value in inputs.items()
    }


def _tiled(tensor: Tensor, times: int) -> Tensor:
    return tensor if times < 2 else tensor.repeat(times, *(1,) * (tensor.ndim - 1))
