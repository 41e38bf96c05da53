"""The two tables that an economy of polluters leaves: a row per firm and period, and a row per period.

Amounts in cents are whole (int64); money, units and prices are float64. Units are those of emissions.

Rows of firms (`FIRM_COLUMNS`):

=================  ============================================================================================
period             period, from 1
firm               number of the firm, from 0
shock              by how much its marginal benefit is higher than expected (money per unit)
bid                what it says its first unit is worth: the truth (money per unit)
emissions          units that it emits
abatement          units that it would emit at no price, less those that it emits
abatement_cost     benefit that it forgoes by that (money)
free_permits       units that it was given
payment_cents      what it paid the treasury for its emissions; negative where it sold permits that it was given
income_cents       benefit of its emissions, paid by its customers
rebate_cents       its equal part of what the treasury held
dividend_cents     what it paid to its owners: all it has above its opening wealth
wealth_cents       what it owns at the end of the period
=================  ============================================================================================

Rows of periods (`PERIOD_COLUMNS`):

=====================  ========================================================================================
period                 period, from 1
price                  of a unit of emissions (money)
emissions              units emitted by all firms
unregulated_emissions  units that they would emit at no price
abatement_cost         benefits forgone (money)
damage                 of the emissions (money)
welfare                benefits of emissions less damage (money)
loss                   by how much welfare falls short of the most that was possible at these shocks (money)
revenue_cents          what firms paid the treasury in all; negative where the treasury paid
rebate_cents           what the treasury gave back
dividend_cents         what firms paid to their owners
households_cents       balance of the households, customers and owners of the firms; a debt if negative
treasury_cents         balance of the treasury; a debt if negative
total_cents            all money: the same in every row
=====================  ========================================================================================
"""

from collections.abc import Mapping

__all__ = ["FIRM_COLUMNS", "PERIOD_COLUMNS"]

FIRM_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "firm": "int64",
    "shock": "float64",
    "bid": "float64",
    "emissions": "float64",
    "abatement": "float64",
    "abatement_cost": "float64",
    "free_permits": "float64",
    "payment_cents": "int64",
    "income_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "wealth_cents": "int64",
}

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "price": "float64",
    "emissions": "float64",
    "unregulated_emissions": "float64",
    "abatement_cost": "float64",
    "damage": "float64",
    "welfare": "float64",
    "loss": "float64",
    "revenue_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "households_cents": "int64",
    "treasury_cents": "int64",
    "total_cents": "int64",
}
