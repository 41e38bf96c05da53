"""What every answer of the engine carries: a certificate, residuals that prove it without trusting the solver.

Each family of mechanisms has its own frozen certificate (a subclass of `Residuals`, whose fields are all floats) and
its own frozen result (a subclass of `Certified`, with the fields `status` and `certificate`). A certificate is computed
from the inputs and the answer alone, by code that shares nothing with the solver.
"""

import math
from dataclasses import dataclass, fields
from typing import Self

from walras.market.errors import NotConvergedError

__all__ = ["Certified", "Residuals"]


@dataclass(frozen=True)
class Residuals:
    """Base of certificates: every field is a residual, 0 for an exact answer, as a fraction of what it compares."""

    def violations(self, tolerance: float) -> dict[str, float]:
        """Residuals above `tolerance` (a fraction), by name; NaN counts as a violation."""
        residuals = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: residual for name, residual in residuals.items() if not residual <= tolerance}

    @property
    def largest(self) -> float:
        """The largest residual; NaN if any is NaN."""
        residuals = [float(getattr(self, field.name)) for field in fields(self)]
        return next((residual for residual in residuals if math.isnan(residual)), max(residuals, default=0.0))


class Certified:
    """Base of results: an answer together with the certificate that proves it."""

    certificate: Residuals  # each result declares its own certificate's type, and a status

    def require(self, tolerance: float = 1e-9) -> Self:
        """Give the result itself if each residual of its certificate is at most `tolerance` (a fraction).

        Raises
        ------
        NotConvergedError
            If some residual is larger.
        """
        violations = self.certificate.violations(tolerance)
        if violations:
            listing = ", ".join(f"{name} = {residual:.3g}" for name, residual in violations.items())
            raise NotConvergedError(
                f"The {type(self).__name__} fails its certificate at tolerance {tolerance:g}: {listing}. Loosen the "
                "tolerance if the inputs span many orders of magnitude; otherwise report the inputs as a bug."
            )
        return self
