"""The two tables that an economy of firms leaves: a row per firm and recorded period, and one per recorded period.

Amounts in cents are whole (int64); money, units, prices and ratios are float64.

Rows of firms (`FIRM_COLUMNS`):

================  =============================================================================================
period            period, from 1
firm              number of the firm, from 0
action            what it chose: a quantity (Cournot), a price (Bertrand, logit), the price it expected (cobweb)
price             what it got for a unit (money)
quantity          units sold
market_share      of all units sold; 0 where nothing is
margin            price less the cost of the last unit (money per unit)
revenue_cents     paid by the households
cost_cents        paid to the households
profit_cents      revenue less cost
capital_cents     what the owners added, since it could not pay its costs
dividend_cents    what it paid to the owners: all it has above its opening wealth
wealth_cents      what it owns at the end of the period: wealth before + profit + capital - dividend
================  =============================================================================================

Rows of periods (`PERIOD_COLUMNS`):

=================  ============================================================================================
period             period, from 1
price              mean price, weighted by quantities; unweighted where nothing is sold (money per unit)
quantity           units sold
herfindahl         Herfindahl index of quantities, in [1/n, 1]
lerner             Lerner index, weighted by revenue; NaN where there is none
consumer_surplus   money
profit             money, before rounding to cents
welfare            consumer surplus and profit (money)
deadweight_loss    what welfare falls short of the first best (money)
revenue_cents      paid to all firms
cost_cents         paid by all firms
capital_cents      added by owners
dividend_cents     paid to owners
households_cents   balance of the households, who are customers, suppliers and owners; a debt if negative
total_cents        all money: the same in every row
=================  ============================================================================================
"""

from collections.abc import Mapping

__all__ = ["FIRM_COLUMNS", "PERIOD_COLUMNS"]

FIRM_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "firm": "int64",
    "action": "float64",
    "price": "float64",
    "quantity": "float64",
    "market_share": "float64",
    "margin": "float64",
    "revenue_cents": "int64",
    "cost_cents": "int64",
    "profit_cents": "int64",
    "capital_cents": "int64",
    "dividend_cents": "int64",
    "wealth_cents": "int64",
}

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "price": "float64",
    "quantity": "float64",
    "herfindahl": "float64",
    "lerner": "float64",
    "consumer_surplus": "float64",
    "profit": "float64",
    "welfare": "float64",
    "deadweight_loss": "float64",
    "revenue_cents": "int64",
    "cost_cents": "int64",
    "capital_cents": "int64",
    "dividend_cents": "int64",
    "households_cents": "int64",
    "total_cents": "int64",
}
