"""The books of an economy, checked from its tables alone: `audit` raises `AssertionError` at the first wrong cent."""

import numpy as np
import pandas as pd

from walras.agents.compute import ComputeEconomy
from walras.agents.compute.tables import AGENT_COLUMNS, PERIOD_COLUMNS
from walras.market.taxation import EqualRebate

FLOWS = (
    "payment_cents",
    "tax_cents",
    "income_cents",
    "levy_cents",
    "transfer_cents",
    "rebate_cents",
    "dividend_cents",
)


def audit(economy: ComputeEconomy, rows: pd.DataFrame, periods: pd.DataFrame) -> None:
    """Check that no cent was made or lost, nobody overdrawn, and every sum is the sum of its parts."""
    population = economy.population
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == AGENT_COLUMNS
    assert {name: str(dtype) for name, dtype in periods.dtypes.items()} == PERIOD_COLUMNS
    assert periods["period"].tolist() == list(range(1, len(periods) + 1))
    assert len(rows) == len(periods) * len(population)

    # (periods, n), and the same with the opening balances as period 0
    flows = {name: rows[name].to_numpy().reshape(len(periods), -1) for name in FLOWS}
    wealth = np.vstack([population["wealth_cents"], rows["wealth_cents"].to_numpy().reshape(len(periods), -1)])
    institutions = periods["principal_cents"] + periods["treasury_cents"]

    assert (wealth >= 0).all(), "an agent was overdrawn"
    total = wealth[1:].sum(axis=1) + institutions
    assert periods["total_cents"].tolist() == total.tolist(), "the total is not the sum of the accounts"
    assert total.nunique() == 1, "money was made or lost"
    assert economy.ledger.total == total.iloc[-1], "the ledger holds other money than the tables"

    gained = sum(flows[name] for name in ("income_cents", "transfer_cents", "rebate_cents"))
    gained = gained - sum(flows[name] for name in ("payment_cents", "levy_cents", "dividend_cents"))
    assert (np.diff(wealth, axis=0) == gained).all(), "wealth changed by other than the flows"
    received = (flows["payment_cents"] - flows["tax_cents"]).sum(axis=1)
    assert periods["revenue_cents"].tolist() == received.tolist(), "revenue is not what agents paid"
    for column in ("tax", "income", "levy", "transfer", "rebate", "dividend"):
        total_column = "tax_revenue_cents" if column == "tax" else f"{column}_cents"
        assert periods[total_column].tolist() == flows[f"{column}_cents"].sum(axis=1).tolist(), f"{column} differs"
    assert (np.ptp(flows["rebate_cents"], axis=1) == 0).all(), "rebates differ"

    principal = (periods["revenue_cents"] + periods["dividend_cents"] - periods["income_cents"]).to_numpy()
    assert np.diff(periods["principal_cents"]).tolist() == principal[1:].tolist(), "the principal's account is wrong"
    received_by_treasury = periods["tax_revenue_cents"] + periods["levy_cents"]
    treasury = (received_by_treasury - periods["transfer_cents"] - periods["rebate_cents"]).to_numpy()
    assert np.diff(periods["treasury_cents"]).tolist() == treasury[1:].tolist(), "the treasury's account is wrong"
    if any(isinstance(transfer, EqualRebate) for transfer in economy.tax_code.transfers):
        assert (periods["treasury_cents"] < len(population)).all(), "tax was kept"

    sold = rows["units"].to_numpy().reshape(len(periods), -1).sum(axis=1)
    np.testing.assert_allclose(sold, periods["quantity_sold"], rtol=1e-12)
    np.testing.assert_allclose(rows["units"], rows["share"] * rows["cost"], rtol=1e-12)
    assert rows["share"].between(0.0, 1.0).all()
    assert (periods["efficiency"] <= 1.0 + 1e-9).all()
