"""Income taxes that were law: federal rates of the United States, tax years 2018 and 2019.

2018 stands in the statute itself (26 U.S.C. 1(j)(2), added by Public Law 115-97); the thresholds of 2019 are those of
2018 adjusted for inflation (Revenue Procedure 2018-57). Tables published as "2018" are often those of 2019. Amounts are
taxable income, after deductions.
"""

from walras.market.taxation.brackets import BracketTax

__all__ = [
    "US_FEDERAL_2018_MARRIED_JOINTLY",
    "US_FEDERAL_2018_SINGLE",
    "US_FEDERAL_2019_MARRIED_JOINTLY",
    "US_FEDERAL_2019_SINGLE",
]

_RATES = (0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37)

US_FEDERAL_2018_SINGLE = BracketTax((9_525.0, 38_700.0, 82_500.0, 157_500.0, 200_000.0, 500_000.0), _RATES)
"""Tax year 2018, unmarried individuals. *Source*: 26 U.S.C. 1(j)(2)(C)."""

US_FEDERAL_2018_MARRIED_JOINTLY = BracketTax((19_050.0, 77_400.0, 165_000.0, 315_000.0, 400_000.0, 600_000.0), _RATES)
"""Tax year 2018, married couples that file one return. *Source*: 26 U.S.C. 1(j)(2)(A)."""

US_FEDERAL_2019_SINGLE = BracketTax((9_700.0, 39_475.0, 84_200.0, 160_725.0, 204_100.0, 510_300.0), _RATES)
"""Tax year 2019, unmarried individuals. *Source*: Rev. Proc. 2018-57, section 3.01."""

US_FEDERAL_2019_MARRIED_JOINTLY = BracketTax((19_400.0, 78_950.0, 168_400.0, 321_450.0, 408_200.0, 612_350.0), _RATES)
"""Tax year 2019, married couples that file one return. *Source*: Rev. Proc. 2018-57, section 3.01."""
