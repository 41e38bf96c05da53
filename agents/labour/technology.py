"""Technologies: what hours of skilled work produce, and what they are paid.

With H the efficiency units of labour (hours times skill, summed), output is `F(H)` and competition pays each unit its
marginal product `F'(H)`:

    linear         F = A H,           F' = A;
    Cobb-Douglas   F = A H^b,         F' = b A H^(b - 1), and the profit (1 - b) F goes to the owners.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

from walras.market.errors import InvalidInputError
from walras.market.validation import fraction, positive_number

__all__ = ["CobbDouglasTechnology", "LinearTechnology", "Technology"]


@final
@dataclass(frozen=True, kw_only=True)
class LinearTechnology:
    """Constant returns: the wage of an efficiency unit is the productivity, however much is worked.

    Parameters
    ----------
    productivity
        Output A of an efficiency unit (money), above 0.
    """

    productivity: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "productivity", positive_number("LinearTechnology.productivity", self.productivity))

    def output(self, labour: float) -> float:
        """Give the output (money) of efficiency units of labour."""
        return self.productivity * labour

    def wage(self, labour: float) -> float:
        """Give the wage of an efficiency unit (money)."""
        return self.productivity


@final
@dataclass(frozen=True, kw_only=True)
class CobbDouglasTechnology:
    """Decreasing returns to labour, since other factors are fixed: the wage falls as more is worked.

    Parameters
    ----------
    productivity
        Output A of the first unit (money), above 0.
    labour_share
        Share b of output that is paid to labour, above 0 and below 1.

    Notes
    -----
    *Source*: Cobb and Douglas 1928 (docs/reference/bibliography.md).
    """

    productivity: float = 1.0
    labour_share: float

    def __post_init__(self) -> None:
        positive_number("CobbDouglasTechnology.productivity", self.productivity)
        share = fraction("CobbDouglasTechnology.labour_share", self.labour_share)
        if share in (0.0, 1.0):
            raise InvalidInputError(
                f"CobbDouglasTechnology.labour_share must lie above 0 and below 1, got {share}: at 1 the technology is "
                "LinearTechnology."
            )

    def output(self, labour: float) -> float:
        """Give the output (money) of efficiency units of labour."""
        return float(self.productivity * labour**self.labour_share)

    def wage(self, labour: float) -> float:
        """Give the wage of an efficiency unit (money), at labour above 0."""
        return float(self.labour_share * self.productivity * labour ** (self.labour_share - 1.0))


Technology: TypeAlias = LinearTechnology | CobbDouglasTechnology
