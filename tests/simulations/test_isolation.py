"""The mechanism alone."""

import numpy as np
import pytest

from walras.simulations.economies import POLICIES, economy_rows
from walras.simulations.isolation import DEMANDS, contract_checks, draw_agents, isolation_rows


@pytest.fixture(scope="module")
def rows():
    return isolation_rows(np.linspace(0.1, 0.9, 5), agents=30, seeds=3, seed=1)


def test_one_row_per_seed_budget_and_demand(rows):
    assert len(rows) == 3 * 5 * len(DEMANDS)
    assert (rows["residual"] < 1e-9).all()


def test_the_price_falls_in_the_budget(rows):
    for _, group in rows.groupby(["seed", "demand"]):
        assert group.sort_values("budget")["price"].is_monotonic_decreasing


def test_no_rule_is_more_efficient_than_the_auction(rows):
    assert (rows["efficiency"] <= 1.0 + 1e-12).all()
    assert np.allclose(rows.loc[rows["demand"] == "step", "efficiency"], 1.0)
    assert (rows.loc[rows["demand"] != "step", "efficiency"] < 1.0).all()


def test_same_seed_same_rows(rows):
    again = isolation_rows(np.linspace(0.1, 0.9, 5), agents=30, seeds=3, seed=1)
    other = isolation_rows(np.linspace(0.1, 0.9, 5), agents=30, seeds=3, seed=2)
    assert rows.equals(again)
    assert not rows.equals(other)


def test_the_contract_holds():
    checks = contract_checks(agents=40, seed=3, draws=2_000)
    assert checks["holds"].all(), checks[~checks["holds"]]
    assert len(checks) == 9


def test_a_broken_contract_is_reported(monkeypatch):
    """A check that cannot fail is worth nothing: shift the compiled shares and see it fail."""
    from walras.simulations import isolation

    compiled = isolation.compile_mechanism

    def shifted(mechanism):
        operator = compiled(mechanism)

        def clear(*arguments, **keywords):
            clearing = operator(*arguments, **keywords)
            return clearing._replace(allocation=clearing.allocation + 1e-3)

        return clear

    monkeypatch.setattr(isolation, "compile_mechanism", shifted)
    checks = contract_checks(agents=10, seed=0, draws=200)
    assert not checks.loc[checks["check"].str.startswith("compiled = explicit"), "holds"].any()


def test_costs_of_drawn_agents_add_up_to_one():
    agents = draw_agents(17, np.random.default_rng(0))
    assert agents.costs.sum() == pytest.approx(1.0)
    assert (agents.valuations > 0).all()


def test_economies_conserve_money_and_truth_is_most_efficient():
    periods = economy_rows(periods=20, seed=0)
    assert set(periods["policy"]) == set(POLICIES)
    assert (periods.groupby("policy")["total_cents"].nunique() == 1).all()
    efficiency = periods.groupby("policy")["efficiency"].mean()
    assert efficiency["truthful"] == efficiency.max()
    assert efficiency["zero intelligence"] == efficiency.min()
