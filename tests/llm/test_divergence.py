"""The divergence from a teacher: the plain formula, however it is cut, and the gradient that autograd makes of that."""

import math

import pytest
import torch
from torch import Tensor

from walras.llm import divergence
from walras.llm.divergence import softened_divergence
from walras.market import InvalidInputError


def plain(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    log_q, log_p = ((logits.double() / temperature).log_softmax(-1) for logits in (student, teacher))
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)


def logits(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (3.0 * torch.randn(2, *shape, generator=generator)).to(dtype)
    return student.requires_grad_(), teacher


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Size, torch.Size]]:
    """Shapes of student and teacher in each part that is computed."""
    seen: list[tuple[torch.Size, torch.Size]] = []
    whole = divergence._divergence

    def kept(student: Tensor, teacher: Tensor, scale: Tensor, gradient: Tensor | None) -> Tensor:
        seen.append((student.shape, teacher.shape))
        return whole(student, teacher, scale, gradient)

    monkeypatch.setattr(divergence, "_divergence", kept)
    return seen


@pytest.mark.parametrize("most", [1, 30, 70, 2**24])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.7])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_value_and_gradient_are_those_of_the_formula(
    most: int, temperature: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, parts: list[tuple[torch.Size]]
) -> None:
    monkeypatch.setattr(divergence, "MOST_AT_ONCE", most)
    student, teacher = logits(3, 5, 7, dtype=dtype)
    weights = torch.rand(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.3
    value, expected = softened_divergence(student, teacher, temperature), plain(student, teacher, temperature)
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = {"atol": 1e-12, "rtol": 1e-12} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(value.double(), expected, **exact)

    (gradient,) = torch.autograd.grad((weights * value).sum(), student)
    (expected,) = torch.autograd.grad((weights * expected).sum(), student)
    assert gradient.dtype == dtype
    rounded = {"atol": 1e-3, "rtol": 1e-2} if dtype == torch.bfloat16 else exact
    torch.testing.assert_close(gradient, expected, **rounded)
    assert max(its[0].numel() for its in parts) <= max(most, 7)
    assert len(parts) == {1: 15, 30: 6, 70: 2, 2**24: 1}[most]  # once: nothing is computed again for the gradient


def test_a_teacher_of_many_is_read_where_it_lies(
    monkeypatch: pytest.MonkeyPatch, parts: list[tuple[torch.Size, torch.Size]]
) -> None:
    monkeypatch.setattr(divergence, "MOST_AT_ONCE", 150)
    student, _ = logits(2, 3, 4, 5, 7)
    teacher = logits(1, 3, 1, 5, 7, seed=1)[1].expand_as(student)
    value, expected = softened_divergence(student, teacher, 2.0), plain(student, teacher, 2.0)
    torch.testing.assert_close(value.double(), expected, atol=1e-5, rtol=1e-5)
    found = torch.autograd.grad(value.mean(), student)
    torch.testing.assert_close(found, torch.autograd.grad(expected.mean(), student), atol=1e-7, rtol=1e-5)
    assert sum(its.numel() for _, its in parts) == 3 * 5 * 7  # each of its probabilities is formed once
    assert max(mine.numel() for mine, _ in parts) <= 150


def test_where_no_gradient_is_asked_for_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    student, teacher = logits(4, 7)
    monkeypatch.setattr(torch, "empty_like", lambda *_: pytest.fail("memory for a gradient"))
    with torch.no_grad():
        value = softened_divergence(student, teacher, 2.0)
    assert not value.requires_grad
    assert not softened_divergence(student.detach(), teacher, 2.0).requires_grad
    torch.testing.assert_close(value.double(), plain(student.detach(), teacher, 2.0), atol=1e-5, rtol=1e-5)


def test_gradcheck_and_no_second_derivative() -> None:
    student, teacher = logits(2, 3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda mine: softened_divergence(mine, teacher, 1.7), student)
    value = softened_divergence(student, teacher, 1.7).sum()
    (first,) = torch.autograd.grad(value, student, retain_graph=True)
    (again,) = torch.autograd.grad(value, student, create_graph=True)
    torch.testing.assert_close(again, first)  # what is kept for the backward pass is not spent in it
    with pytest.raises(RuntimeError, match="does not require grad"):
        again.sum().backward()


def test_certain_classes_have_finite_divergences() -> None:
    student, teacher = torch.tensor([[0.0, 1e4], [1e4, 0.0]], requires_grad=True), torch.tensor([[1e4, 0.0]] * 2)
    value = softened_divergence(student, teacher, 1.0)
    assert value.tolist() == [1e4, 0.0]
    value.sum().backward()
    assert student.grad is not None
    assert student.grad.tolist() == [[-1.0, 1.0], [0.0, 0.0]]


def test_a_teacher_that_would_need_a_gradient_is_refused() -> None:
    student, teacher = logits(2, 3)
    with pytest.raises(InvalidInputError, match="detach"):
        softened_divergence(student, teacher.requires_grad_(), 2.0)


def test_precision_is_that_of_the_student_under_autocast() -> None:
    student, teacher = logits(4, 7)
    with torch.autocast("cpu", torch.bfloat16):
        value = softened_divergence(student, teacher, 2.0)
    torch.testing.assert_close(value, softened_divergence(student, teacher, 2.0), atol=0.0, rtol=0.0)


def test_the_arithmetic_compiles_as_one_graph_for_every_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    graphs = []

    def counted(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.compile(divergence._divergence, backend=counted, fullgraph=True)
    monkeypatch.setattr(divergence, "_compiled", lambda: compiled)
    monkeypatch.setattr(divergence, "MOST_AT_ONCE", 2 * 3 * 7)
    student, _ = logits(2, 5, 3, 7)
    teacher = logits(1, 5, 3, 7, seed=1)[1].expand_as(student)
    for temperature in (2.0, 3.0, math.pi):
        found, expected = (softened_divergence(student, teacher, temperature, compiled=c) for c in (True, False))
        torch.testing.assert_close(found, expected)
        found, expected = (torch.autograd.grad(value.sum(), student) for value in (found, expected))
        torch.testing.assert_close(found, expected)
    assert len(graphs) == 1
