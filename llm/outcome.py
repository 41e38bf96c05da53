"""What the gates of a forward pass share."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from walras.market.operators import OperatorClearing

__all__ = ["Outcome"]


@dataclass
class Outcome:
    """What a forward pass leaves until the next; beside the module, which looks twice at every tensor it is given.

    Attributes
    ----------
    supply, open
        Tensors whose gradients are the derivatives in budgets, and in the shares of a pass in mode `"open"`.
    factors
        Of each site's features.
    weights
        Of each site's projection, with its gates; None where features are scaled instead.
    """

    clearing: OperatorClearing | None = None
    prices: Tensor | None = None
    levy: Tensor | None = None
    supply: Tensor | None = None
    open: Tensor | None = None
    factors: Sequence[Tensor] | None = None
    weights: Sequence[Tensor] | None = None
