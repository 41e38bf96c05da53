"""What a student learns from a teacher: its logits, and its hidden states layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from walras.llm.divergence import softened_divergence
from walras.llm.errors import CouplingError
from walras.market import InvalidInputError
from walras.market.validation import finite_number, positive_number

__all__ = ["Distillation", "hidden_states_distance", "logits_distance"]


@final
@dataclass(frozen=True)
class Distillation:
    """How much a student learns from labels, from a teacher's logits, and from its layers.

        task_weight * L_task + logits_weight * D_logits + layers_weight * D_layers

    Parameters
    ----------
    logits_weight
        Of `logits_distance`.
    layers_weight
        Of `hidden_states_distance`; above 0, teacher and student must have equally many layers of equal width.
    task_weight
        Of the model's own loss on the labels.
    temperature
        At which class and token probabilities are compared, above 0.

    Notes
    -----
    *Sources*: Hinton et al. 2015 (logits), Jiao et al. 2020 (layers), in docs/reference/bibliography.md.
    """

    logits_weight: float = 1.0
    layers_weight: float = 0.0
    task_weight: float = 1.0
    temperature: float = 2.0

    def __post_init__(self) -> None:
        for name in ("logits_weight", "layers_weight", "task_weight"):
            if finite_number(f"Distillation.{name}", getattr(self, name)) < 0.0:
                raise InvalidInputError(f"Distillation.{name} must be 0 or more, got {getattr(self, name)}.")
        positive_number("Distillation.temperature", self.temperature)

    @property
    def needs_layers(self) -> bool:
        """Whether forward passes must give hidden states."""
        return self.layers_weight > 0.0

    def of_teacher(self, student: Any, teacher: Any, inputs: Mapping[str, Tensor], *, compiled: bool = False) -> Tensor:
        """Give the weighted distances between two models' outputs on the same inputs.

        Parameters
        ----------
        student, teacher
            Outputs of transformers models; the teacher's carry no gradient.
        inputs
            What the student was given, for its labels and attention mask.
        compiled
            As in `logits_distance`.
        """
        logits, taught = _logits(student), _logits(teacher).detach()
        total = logits.new_zeros((), dtype=torch.float32)
        if self.logits_weight > 0.0:
            mask = _real_tokens(logits, inputs)
            total = total + self.logits_weight * logits_distance(
                logits, taught, temperature=self.temperature, mask=mask, compiled=compiled
            )
        if self.needs_layers:
            mask = inputs.get("attention_mask")
            layers = hidden_states_distance(_hidden_states(student), _hidden_states(teacher), mask=mask)
            total = total + self.layers_weight * layers
        return total


def logits_distance(
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float = 2.0,
    mask: Tensor | None = None,
    compiled: bool = False,
) -> Tensor:
    """Give how far a student's logits are from a teacher's.

    Several classes (or tokens of a vocabulary): `T^2 KL(softmax(teacher / T) || softmax(student / T))`, in nats, whose
    gradient keeps its size as T grows. One output (regression): the mean squared error, since a softmax over one logit
    is always 1 and teaches nothing.

    Parameters
    ----------
    student, teacher
        Shape (batch, classes) or (batch, tokens, vocabulary); of several classes, the teacher's without a gradient.
        More leading dimensions may come before: a teacher expanded over them (`Tensor.expand`) is not copied.
    temperature
        T; unused for one output.
    mask
        1 (or True) for the examples or tokens that count, shape of the leading dimensions.
    compiled
        Whether the divergence of several classes is computed by what `torch.compile` makes of it.

    Notes
    -----
    *Differentiable in* the student's logits, once: `walras.llm.divergence`.
    """
    if student.shape != teacher.shape:
        raise CouplingError(
            f"Logits of student and teacher differ in shape: {tuple(student.shape)} and {tuple(teacher.shape)}. "
            "They must be models of the same task."
        )
    if student.shape[-1] == 1:
        distances = (student.float() - teacher.float()).square().squeeze(-1)
    else:
        distances = softened_divergence(student, teacher, temperature, compiled=compiled)
    return _mean(distances, mask)


def hidden_states_distance(
    student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], *, mask: Tensor | None = None
) -> Tensor:
    """Give the mean over layers of `sum |student - teacher|^2 / sum |teacher|^2`, over real tokens; 0 is alike.

    Parameters
    ----------
    student, teacher
        Hidden states as transformers gives them, embeddings first (left out here): each (batch, tokens, width).
    mask
        1 for real tokens, shape (batch, tokens).
    """
    if len(student) != len(teacher) or student[0].shape != teacher[0].shape:
        raise CouplingError(
            f"Layers of student and teacher do not match: {len(student) - 1} of shape {tuple(student[0].shape)} "
            f"and {len(teacher) - 1} of {tuple(teacher[0].shape)}. Set Distillation.layers_weight to 0."
        )
    ratios = []
    for mine, its in zip(student[1:], teacher[1:], strict=True):
        target = its.detach().float()
        error, size = (mine.float() - target).square().sum(-1), target.square().sum(-1)  # (batch, tokens)
        ratios.append(_mean(error, mask) / _mean(size, mask).clamp(min=torch.finfo(torch.float32).tiny))
    return torch.stack(ratios).mean()


def _mean(values: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return values.mean()
    weights = mask.to(values.dtype)
    return (values * weights).sum() / weights.sum().clamp(min=1.0)


def _real_tokens(logits: Tensor, inputs: Mapping[str, Tensor]) -> Tensor | None:
    """Mask of the tokens that are taught: those with a label, or else those that are not padding."""
    if logits.ndim < 3:
        return None
    labels, mask = inputs.get("labels"), inputs.get("attention_mask")
    if labels is not None and labels.shape == logits.shape[:-1]:
        return labels != -100
    return mask if mask is not None and mask.shape == logits.shape[:-1] else None


def _logits(outputs: Any) -> Tensor:
    logits = getattr(outputs, "logits", None)
    if logits is None:
        raise CouplingError(f"{type(outputs).__name__} has no logits to learn from: distil a model with one head.")
    return logits


def _hidden_states(outputs: Any) -> tuple[Tensor, ...]:
    for name in ("hidden_states", "decoder_hidden_states"):
        states = getattr(outputs, name, None)
        if states is not None:
            return tuple(states)
    raise CouplingError(f"{type(outputs).__name__} has no hidden states: set Distillation.layers_weight to 0.")
