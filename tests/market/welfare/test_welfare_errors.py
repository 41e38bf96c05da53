"""Bad input to each public function: one class of error, and a message that names the argument and what was got."""

import math

import pytest

from walras.market import InvalidInputError
from walras.market import welfare as w

NAN, INF = math.nan, math.inf

MEASURES = {
    "gini": w.gini,
    "theil_t": w.theil_t,
    "theil_l": w.theil_l,
    "generalised_entropy": lambda x, weights=None: w.generalised_entropy(x, 2.0, weights),
    "atkinson_index": lambda x, weights=None: w.atkinson_index(x, 2.0, weights),
    "lorenz_curve": w.lorenz_curve,
    "herfindahl_index": w.herfindahl_index,
    "effective_number": w.effective_number,
    "concentration_ratio": lambda x, weights=None: w.concentration_ratio(x, 1, weights),
    "shannon_entropy": w.shannon_entropy,
    "shannon_evenness": w.shannon_evenness,
    "decompose_entropy": lambda x, weights=None: w.decompose_entropy(x, ["a", "b"], 2.0, weights),
    "nash_welfare": w.nash_welfare,
    "log_nash_welfare": w.log_nash_welfare,
    "atkinson_welfare": lambda x, weights=None: w.atkinson_welfare(x, 2.0, weights),
}
SIGNED = {
    "utilitarian_welfare": w.utilitarian_welfare,
    "rawlsian_welfare": w.rawlsian_welfare,
    "per_group": lambda x, weights=None: w.per_group(lambda y, **_: 0.0, x, ["a", "b"], weights),
    "quasi_linear_surplus": lambda x, weights=None: w.quasi_linear_surplus(x, 0.0 if weights is None else weights),
}
ALL = MEASURES | SIGNED
NO_VECTORS = [
    ([1.0, NAN], "entry 1 is nan"),
    ([INF, 1.0], "entry 0 is inf"),
    ([], "empty"),
    ([[1.0, 2.0]], "shape (1, 2)"),
    (3.0, "shape ()"),
    ("many", "'many'"),
    ([1j, 1.0], "1j"),
    (None, "()"),
]
NAMES = dict.fromkeys(ALL, "holdings") | dict.fromkeys(
    ("utilitarian_welfare", "rawlsian_welfare", "nash_welfare", "log_nash_welfare", "atkinson_welfare"), "utilities"
)
NAMES["quasi_linear_surplus"] = "values"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("bad", "got"), NO_VECTORS, ids=[got for _, got in NO_VECTORS])
def test_not_a_vector(name, bad, got):
    with pytest.raises(InvalidInputError) as raised:
        ALL[name](bad)
    assert NAMES[name] in str(raised.value)
    assert got in str(raised.value)


@pytest.mark.parametrize("name", MEASURES)
def test_negative_holdings(name):
    with pytest.raises(InvalidInputError, match=rf"{NAMES[name]} must be 0 or more: entry 1 is -2.0"):
        MEASURES[name]([1.0, -2.0])


@pytest.mark.parametrize("name", [name for name in ALL if name != "quasi_linear_surplus"])
@pytest.mark.parametrize(
    ("bad", "got"),
    [([1.0, NAN], "entry 1 is nan"), ([1.0, -1.0], "0 or more"), ([1.0], "expected 2, got 1"), ("ab", "'ab'")],
)
def test_not_weights(name, bad, got):
    with pytest.raises(InvalidInputError) as raised:
        ALL[name]([1.0, 2.0], weights=bad)
    assert "weights" in str(raised.value)
    assert got in str(raised.value)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("quasi_linear_surplus", "per_group")])
@pytest.mark.parametrize("bad", [[0.0, 0.0], [1e308, 1e308]])
def test_weights_without_a_sum(name, bad):
    with pytest.raises(InvalidInputError, match="weights must"):
        ALL[name]([1.0, 2.0], weights=bad)


CASES = [
    (lambda: w.gini([1.0, 2.0], normalisation="both"), ('normalisation must be "population" or "sample"', "'both'")),
    (lambda: w.gini([1.0], normalisation="sample"), ("more than one agent, got 1",)),
    (lambda: w.gini([1.0, 2.0], [0.5, 0.25], normalisation="sample"), ("more than one agent, got 0.75",)),
    (lambda: w.generalised_entropy([1.0], NAN), ("alpha must be finite", "nan")),
    (lambda: w.generalised_entropy([1.0], "2"), ("alpha must be a real number", "'2'")),
    (lambda: w.atkinson_index([1.0], -0.5), ("aversion must be 0 or more", "-0.5")),
    (lambda: w.atkinson_index([1.0], NAN), ("aversion must be finite",)),
    (lambda: w.atkinson_welfare([1.0], -INF), ("aversion must be finite",)),
    (lambda: w.atkinson_welfare([1.0], "1"), ("aversion must be a real number", "'1'")),
    (lambda: w.concentration_ratio([1.0], 0), ("largest must be 1 or more", "0")),
    (lambda: w.concentration_ratio([1.0], 1.5), ("largest must be a whole number", "1.5")),
    (lambda: w.shannon_entropy([1.0], unit="hats"), ('unit must be "nats" or "bits"', "'hats'")),
    (lambda: w.herfindahl_index([1.0, 2.0], [0.25, 0.5]), ("weights must sum to 1 or more", "got 0.75")),
    (lambda: w.shannon_evenness([1.0, 2.0], [0.25, 0.5]), ("weights must sum to 1 or more",)),
    (lambda: w.utilitarian_welfare([1e308, 1e308]), ("utilities are too large",)),
    (lambda: w.utilitarian_welfare([1e300, 1.0], [1e10, 1.0]), ("utilities are too large",)),
    (lambda: w.quasi_linear_surplus([1.0, 2.0], [1.0, NAN]), ("payments must be finite", "entry 1 is nan")),
    (lambda: w.quasi_linear_surplus([1.0, 2.0], [1.0]), ("payments", "expected 2, got 1")),
    (lambda: w.quasi_linear_surplus([1e308], [-1e308]), ("values and payments are too large",)),
    (lambda: w.quasi_linear_surplus([1e308, 1e308], 0.0), ("values are too large",)),
    (lambda: w.quasi_linear_surplus([1e308, 1e308], [1e308, 1e308]), ("payments are too large",)),
    (lambda: w.efficiency(NAN, 1.0), ("realised must be finite",)),
    (lambda: w.efficiency(1.0, -1.0), ("maximal must be 0 or more", "-1.0")),
    (lambda: w.efficiency(1.1, 1.0), ("realised must not exceed maximal", "1.1", "1.0")),
    (lambda: w.efficiency(1e-300, 0.0), ("realised must not exceed maximal",)),
    (lambda: w.deadweight_loss(1.0 + 1e-8, 1.0), ("realised must not exceed maximal",)),
    (lambda: w.deadweight_loss("1", 1.0), ("realised must be a real number",)),
    (lambda: w.decompose_entropy([1.0, 2.0], ["a"], 1.0), ("groups must have one label per agent", "(2,)", "(1,)")),
    (lambda: w.decompose_entropy([1.0, 2.0], [["a"], ["b"]], 1.0), ("groups must have one label per agent",)),
    (lambda: w.decompose_entropy([1.0, 2.0], [1.0, NAN], 1.0), ("groups must not be NaN: entry 1 is nan",)),
    (lambda: w.decompose_entropy([1.0, 2.0], [None, "a"], 1.0), ("groups must be labels that can be sorted",)),
    (lambda: w.decompose_entropy([1.0, 2.0], ["a", "b"], INF), ("alpha must be finite",)),
    (lambda: w.decompose_entropy([1.0, 2.0], ["a", "b"], 1.0, [1.0, 0.0]), ("weights of group 'b' are all 0",)),
    (lambda: w.per_group(w.gini, [1.0, 2.0], ["a"]), ("groups must have one label per agent",)),
]


@pytest.mark.parametrize(("call", "parts"), CASES, ids=["/".join(parts) for _, parts in CASES])
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []
