"""The books of an economy of polluters, checked from its tables: `audit` raises `AssertionError` at a wrong cent."""

import numpy as np
import pandas as pd

from walras.agents.pollution import PollutionEconomy
from walras.agents.pollution.tables import FIRM_COLUMNS, PERIOD_COLUMNS


def audit(economy: PollutionEconomy, rows: pd.DataFrame, periods: pd.DataFrame, *, opening_cents: int) -> None:
    """Check that no cent was made or lost, no firm overdrawn, and every sum is the sum of its parts."""
    firms = economy.industry.firms
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == FIRM_COLUMNS
    assert {name: str(dtype) for name, dtype in periods.dtypes.items()} == PERIOD_COLUMNS
    assert periods["period"].tolist() == list(range(1, len(periods) + 1))

    def matrix(name: str) -> np.ndarray:
        return rows[name].to_numpy().reshape(len(periods), firms)

    wealth = np.vstack([np.full(firms, opening_cents), matrix("wealth_cents")])
    assert (wealth >= 0).all(), "a firm was overdrawn"
    total = wealth[1:].sum(axis=1) + periods["households_cents"] + periods["treasury_cents"]
    assert periods["total_cents"].tolist() == total.tolist(), "the total is not the sum of the accounts"
    assert (total == opening_cents * firms).all(), "money was made or lost"
    assert economy.ledger.total == opening_cents * firms, "the ledger holds other money than the tables"

    gained = matrix("income_cents") + matrix("rebate_cents") - matrix("payment_cents") - matrix("dividend_cents")
    assert (np.diff(wealth, axis=0) == gained).all(), "wealth changed by other than the flows"
    assert periods["revenue_cents"].tolist() == matrix("payment_cents").sum(axis=1).tolist(), "revenue differs"
    for column in ("rebate", "dividend"):
        assert periods[f"{column}_cents"].tolist() == matrix(f"{column}_cents").sum(axis=1).tolist(), column
    assert (np.ptp(matrix("rebate_cents"), axis=1) == 0).all(), "rebates differ"
    treasury = (periods["revenue_cents"] - periods["rebate_cents"]).to_numpy()
    assert np.diff(periods["treasury_cents"], prepend=0).tolist() == treasury.tolist(), (
        "the treasury's account is wrong"
    )
    households = matrix("dividend_cents").sum(axis=1) - matrix("income_cents").sum(axis=1)
    assert np.diff(periods["households_cents"], prepend=0).tolist() == households.tolist(), (
        "households' account is wrong"
    )

    permits, floor, ceiling = economy.instrument.bounds
    emitted = matrix("emissions").sum(axis=1)
    np.testing.assert_allclose(emitted, periods["emissions"], rtol=1e-12)
    price = periods["price"].to_numpy()
    assert (price >= floor).all()
    assert (price <= ceiling).all()
    assert (emitted[price > floor] >= permits * (1.0 - 1e-9)).all() or np.isinf(permits), "permits were left unused"
    assert (emitted[price < ceiling] <= permits * (1.0 + 1e-9)).all(), "more was emitted than permitted"
    cents = economy.cents_per_money * price[:, None] * (matrix("emissions") - matrix("free_permits"))
    assert (np.abs(matrix("payment_cents") - cents) < 1.0 + 1e-6).all(), "payments are not what emissions cost"
    assert (periods["loss"] >= -1e-9 * np.abs(periods["welfare"]) - 1e-9).all(), "better than the best"
    np.testing.assert_allclose(matrix("abatement_cost").sum(axis=1), periods["abatement_cost"], rtol=1e-12, atol=1e-12)
