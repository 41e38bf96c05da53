"""What the border lets in, and in what form. What it refuses stands in test_errors.py."""

from fractions import Fraction

import numpy as np
import pytest

from walras.market.validation import boolean, finite_number, finite_vector, positive_number, positive_vector


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        (1.0, 2.0),
        range(1, 3),
        [Fraction(1), np.float32(2.0)],
        np.array([1, 2], dtype=np.uint8),
        np.array([1.0, 2.0], dtype=np.float16),
    ],
    ids=repr,
)
def test_any_vector_of_real_numbers_becomes_float64(values: object) -> None:
    vector = finite_vector("values", values)
    assert vector.dtype == np.float64
    assert vector.tolist() == [1.0, 2.0]


def test_a_tensor_becomes_float64() -> None:
    torch = pytest.importorskip("torch")
    assert finite_vector("values", torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert positive_number("value", torch.tensor(2.0)) == 2.0


def test_the_vector_is_new() -> None:
    values = np.array([1.0, 2.0])
    finite_vector("values", values)[0] = 7.0
    positive_vector("values", values)[0] = 7.0
    assert values.tolist() == [1.0, 2.0]


def test_a_number_is_spread_where_the_length_is_known() -> None:
    assert finite_vector("values", -1.5, length=3).tolist() == [-1.5, -1.5, -1.5]
    assert positive_vector("values", np.float32(1.5), length=2).tolist() == [1.5, 1.5]


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.array(3.0), Fraction(6, 2)], ids=repr)
def test_any_real_number_becomes_a_float(value: object) -> None:
    for number in (finite_number("value", value), positive_number("value", value)):
        assert type(number) is float
        assert number == 3.0


def test_a_truth_value_of_numpy_becomes_one_of_python() -> None:
    assert boolean("flag", np.True_) is True
    assert boolean("flag", False) is False
