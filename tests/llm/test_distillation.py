"""What is learned from a teacher: closed forms, and cases in which a plain softmax would teach nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from walras.llm import CouplingError, Distillation, divergence
from walras.llm.distillation import hidden_states_distance, logits_distance
from walras.market import InvalidInputError

NAN = float("nan")


def test_classes_are_compared_by_the_divergence_of_softened_probabilities() -> None:
    student, teacher = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    softened = [(logits / 3.0).softmax(-1).numpy() for logits in (teacher, student)]
    expected = 9.0 * np.mean([entropy(p, q) for p, q in zip(*softened, strict=True)])
    assert float(logits_distance(student, teacher, temperature=3.0)) == pytest.approx(expected, rel=1e-5)
    assert float(logits_distance(teacher, teacher)) == pytest.approx(0.0, abs=1e-6)


def test_a_large_vocabulary_is_compared_part_by_part_with_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(2))
    mask = torch.arange(15).view(3, 5) % 4 > 0

    def value_and_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        logits = student.clone().requires_grad_()
        value = logits_distance(logits, teacher, mask=mask)
        return value, torch.autograd.grad(value, logits)[0]

    whole = value_and_gradient()
    monkeypatch.setattr(divergence, "MOST_AT_ONCE", 30)
    torch.testing.assert_close(value_and_gradient(), whole)


def test_the_gradient_keeps_its_size_as_the_temperature_grows() -> None:
    # Hinton et al. 2015, section 2.1: for centred logits the gradient tends to (student - teacher) / classes.
    student, teacher = torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(1))
    student, teacher = student - student.mean(), teacher - teacher.mean()
    student.requires_grad_()
    logits_distance(student, teacher, temperature=200.0).backward()
    torch.testing.assert_close(student.grad, (student.detach() - teacher) / 6, rtol=0.05, atol=1e-3)


def test_regression_is_compared_by_squared_error() -> None:
    student, teacher = torch.tensor([[1.0], [2.0]], requires_grad=True), torch.tensor([[0.0], [4.0]])
    distance = logits_distance(student, teacher)
    assert distance.item() == pytest.approx(2.5)
    distance.backward()
    torch.testing.assert_close(student.grad, student.detach() - teacher)  # 2 (student - teacher) over two examples


def test_padding_teaches_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    student, teacher = torch.randn(2, 2, 3, 5, generator=generator)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    kept = mask.bool()
    expected = logits_distance(student[kept], teacher[kept])
    student[~kept] = 1e3
    torch.testing.assert_close(logits_distance(student, teacher, mask=mask), expected)

    states = tuple(torch.randn(2, 2, 3, 8, generator=generator) for _ in range(4))
    mine = tuple(state[0] for state in states)
    its = tuple(state[1] for state in states)
    expected = np.mean(
        [float((a - b)[kept].square().sum() / b[kept].square().sum()) for a, b in zip(mine[1:], its[1:], strict=True)]
    )
    assert float(hidden_states_distance(mine, its, mask=mask)) == pytest.approx(expected, rel=1e-5)


def test_tokens_with_a_label_are_the_ones_that_are_taught() -> None:
    student, teacher = torch.randn(2, 1, 3, 5, generator=torch.Generator().manual_seed(3))
    inputs = {"labels": torch.tensor([[4, -100, -100]]), "attention_mask": torch.ones(1, 3)}
    outputs = [SimpleNamespace(logits=logits) for logits in (student, teacher)]
    taught = Distillation(logits_weight=3.0).of_teacher(*outputs, inputs)
    torch.testing.assert_close(taught, 3.0 * logits_distance(student[:, :1], teacher[:, :1]))


def test_models_of_other_shapes_are_refused() -> None:
    states = tuple(torch.randn(2, 3, 8) for _ in range(4))
    with pytest.raises(CouplingError, match="differ in shape"):
        logits_distance(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(CouplingError, match="layers_weight to 0"):
        hidden_states_distance(states, states[:-1])
    with pytest.raises(CouplingError, match="has no logits"):
        Distillation().of_teacher(SimpleNamespace(), SimpleNamespace(), {})
    outputs = SimpleNamespace(logits=torch.zeros(2, 3))
    with pytest.raises(CouplingError, match="no hidden states"):
        Distillation(layers_weight=1.0).of_teacher(outputs, outputs, {})


@pytest.mark.parametrize("name", ["logits_weight", "layers_weight", "task_weight", "temperature"])
@pytest.mark.parametrize("value", [-1.0, NAN])
def test_weights_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"Distillation.{name}"):
        Distillation(**{name: value})
