"""How buyers split their money among goods: one formula for every utility of a Fisher market.

With log valuations `a_ij = log v_ij` and log prices `y_j`, buyer i spends on good j the fraction

    s_ij = exp(z_ij) / sum_k exp(z_ik),      z_ij = c a_ij - kappa y_j

of its budget, and the log of the utility that a unit of money buys is, but for a constant, `(1 / kappa) log sum_k
exp(z_ik)`:

====================  ==================  ==============  =============================================================
utility               kappa               c               remark
====================  ==================  ==============  =============================================================
CESUtility(rho)       rho / (1 - rho)     1 + kappa       the elasticity of substitution is `1 + kappa`
LinearUtility         1 / temperature     kappa           the limit is the best buy; the best utility is overstated by
                                                          at most `temperature * log(goods)`
CobbDouglasUtility    0                   1               shares do not depend on prices
LeontiefUtility       -1                  1               valuations are needs
====================  ==================  ==============  =============================================================

The demand for good j is `sum_i b_i s_ij / p_j`. In relative changes of prices its Jacobian is `kappa C - (1 + kappa)
diag(spending)` with `C = sum_i b_i s_i s_i^T`: the Hessian of the dual programme, and negative semi-definite for every
kappa >= -1.
"""

from dataclasses import dataclass
from typing import final

from walras.market.errors import InvalidInputError
from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherUtility, LeontiefUtility, LinearUtility

__all__ = ["SpendingForm", "spending_form"]


@final
@dataclass(frozen=True)
class SpendingForm:
    """The numbers kappa and c of the module's header."""

    kappa: float
    c: float


def spending_form(utility: FisherUtility, temperature: float = 1.0) -> SpendingForm:
    """Give the form of a utility; linear utilities at `temperature` (in units of log money).

    Raises
    ------
    InvalidInputError
        CES with a rho for each buyer: solve such a market with `walras.market.fisher.FisherMarket`.
    """
    match utility:
        case LinearUtility():
            return SpendingForm(1.0 / temperature, 1.0 / temperature)
        case CESUtility(rho=rho):
            if not isinstance(rho, float):
                raise InvalidInputError(
                    "CESUtility.rho must be one number for all buyers here, got one for each: use FisherMarket."
                )
            kappa = rho / (1.0 - rho)
            return SpendingForm(kappa, 1.0 + kappa)
        case CobbDouglasUtility():
            return SpendingForm(0.0, 1.0)
        case LeontiefUtility():
            return SpendingForm(-1.0, 1.0)
    raise InvalidInputError(f"utility must be one of {FisherUtility}, got {utility!r}.")
