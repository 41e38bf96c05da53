"""Random labour economies and an audit of their books, for the tests beside."""

import numpy as np
from hypothesis import strategies as st

from walras.agents.labour import (
    CobbDouglasTechnology,
    LabourRules,
    LinearTechnology,
    MeansTestedBenefit,
    PublicGood,
    QuasiLinearPreferences,
    SeparablePreferences,
)
from walras.market.partial_equilibrium import AdaptiveExpectations, NaiveExpectations
from walras.market.taxation import BasicIncome, BracketTax, EqualRebate, TargetedTransfer

skills = st.lists(st.one_of(st.sampled_from([0.01, 1.0, 8.0]), st.floats(0.05, 40.0)), min_size=1, max_size=6)
taxes = st.sampled_from(
    [
        BracketTax([], [0.0]),
        BracketTax([], [0.333]),
        BracketTax([], [1.0]),
        BracketTax([5.0, 20.0], [0.1, 0.35, 0.7]),
        BracketTax([3.01], [-0.25, 0.4]),
        BracketTax([10.0], [0.6, 0.2]),
    ]
)
benefits = st.lists(
    st.sampled_from([BasicIncome(1.37), TargetedTransfer(4.0, 2.0, 0.3), MeansTestedBenefit(2.5, 6.0)]), max_size=2
).map(tuple)
rules = st.builds(
    LabourRules,
    preferences=st.one_of(
        st.builds(QuasiLinearPreferences, elasticity=st.sampled_from([0.25, 1.0])),
        st.builds(SeparablePreferences, elasticity=st.just(0.5), aversion=st.sampled_from([1.0, 2.0])),
    ),
    tax=taxes,
    benefits=benefits,
    spending=st.sampled_from([EqualRebate(), PublicGood(value=1.0), PublicGood(value=0.3)]),
    technology=st.sampled_from(
        [
            LinearTechnology(),
            LinearTechnology(productivity=3.0),
            CobbDouglasTechnology(labour_share=0.6),
            CobbDouglasTechnology(productivity=20.0, labour_share=0.97),
        ]
    ),
    expectations=st.sampled_from([NaiveExpectations(), AdaptiveExpectations(0.3)]),
    shock_deviation=st.sampled_from([0.0, 0.2]),
)


def audit(rows, households):
    """Check that the books of periods, and those of households in the last one, balance to the cent."""
    money, goods = rows["firm_cents"] + rows["treasury_cents"], rows["firm_cents"] + rows["inventory_cents"]
    assert (money == 0).all(), "money was made or lost"
    assert (rows["total_cents"] == 0).all(), "money was made or lost"
    profit = rows["output_cents"] - rows["income_cents"] - rows["dividend_cents"]
    assert goods.tolist() == profit.cumsum().tolist(), "goods were made or lost"
    saved = rows["tax_cents"] - rows["benefit_cents"] - rows["rebate_cents"] - rows["public_good_cents"]
    assert rows["treasury_cents"].tolist() == saved.cumsum().tolist(), "the treasury's books are wrong"
    spent = rows["income_cents"] - rows["tax_cents"] + rows["benefit_cents"] + rows["rebate_cents"]
    spent += rows["dividend_cents"]
    assert rows["consumption_cents"].tolist() == spent.tolist(), "households have not spent what they have"
    last = rows.iloc[-1]
    for column in ("income", "tax", "benefit", "rebate", "dividend", "consumption"):
        assert households[f"{column}_cents"].sum() == last[f"{column}_cents"], column
    own = households["income_cents"] - households["tax_cents"] + households["benefit_cents"]
    own += households["rebate_cents"] + households["dividend_cents"]
    assert households["consumption_cents"].tolist() == own.tolist(), "a household's books are wrong"
    assert (households["consumption_cents"] >= 0).all()
    assert (households["tax_cents"] <= households["income_cents"]).all()
    # What is carried is less than a cent for each household, debts apart.
    assert (rows["treasury_cents"] < np.maximum(len(households), 1)).all()
