"""Several scarce resources at once: beside the budget, limits on what agents may use of others, and a price for each.

Agent i uses the fraction `W_ir` of what all agents use of resource r, the budget's resource being r = 1, and is worth
`(v_i + c) W_i1` when fully served. The markets of `walras.market.ResourceMarket` find prices `p_r >= 0` with

    x_i = D((v_i + c - sum_r p_r W_ir / W_i1) / tau),    sum_i W_ir x_i <= B_r,    p_r > 0 only where r is used up.

Valuations are learned up to a constant, and c is chosen so that nobody stays idle for nothing: the lowest valuation is
lifted to where its share at a price of 0 is 1, up to 1e-6 under logit demand. So with the budget alone scarce this is
the market of one resource; with nothing scarce everyone is served.

Whole agents are served in the order of `v_i - sum_(r > 1) p_r W_ir / W_i1`, at the smooth market's prices, as long as
they fit into every resource; the first that does not ends the sale.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from walras.llm.marketplace import Sale
from walras.market import InvalidInputError, LinearDemand, LogitDemand, ResourceMarket
from walras.market.operators import compile_mechanism

__all__ = ["ResourceLimits"]

_OPEN_AT_NOTHING = 14.0  # 1 - sigmoid of this is 8e-7
_ROUNDING = 1e-12


class ResourceLimits(nn.Module):
    """Clears the market of a budget and of limits on further resources.

    Parameters
    ----------
    demand
        A smooth demand rule.
    costs
        What each agent uses of the budget's resource, as a share of what all use, above 0, shape (n,).
    amounts
        The same of each limited resource, by name, 0 or more.
    limits
        Fraction of each limited resource that may be used, by name.

    Attributes
    ----------
    fractions
        Buffer of shape (m - 1,): the limits, in the order of `names`.
    prices
        Of the last clearing, shape (..., m): of the budget's resource, and of each limited one.
    """

    shares: Tensor
    fractions: Tensor

    def __init__(
        self,
        demand: LogitDemand | LinearDemand,
        costs: NDArray[np.float64],
        amounts: Mapping[str, NDArray[np.float64]],
        limits: Mapping[str, float],
    ) -> None:
        super().__init__()
        if (costs <= 0.0).any():
            raise InvalidInputError(
                "EconomyConfig.limits needs a resource that every agent uses some of, such as FLOPs; "
                f"{int((costs <= 0.0).sum())} agents use none of the budget's."
            )
        self.names = tuple(limits)
        self.lift = _OPEN_AT_NOTHING if isinstance(demand, LogitDemand) else 1.0
        self.market = compile_mechanism(ResourceMarket((1.0,) * (1 + len(limits)), demand))
        table = np.stack([costs, *(amounts[name] / amounts[name].sum() for name in self.names)], axis=-1)
        self.register_buffer("shares", torch.from_numpy(table), persistent=False)
        self.register_buffer("fractions", torch.tensor([limits[name] for name in self.names], dtype=torch.float64))
        self.prices: Tensor | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave the tensors of the last forward pass behind when the module is copied or pickled."""
        return {**self.__dict__, "prices": None}

    def forward(self, bids: Tensor, *, level: Tensor, temperature: Tensor, whole: bool = False) -> Sale:
        """Clear at bids (..., n) and budgets (...); `whole` serves whole agents, without gradients."""
        costs = self.shares[:, 0]
        supply = torch.cat([level.unsqueeze(-1), self.fractions.to(level).expand(*level.shape, -1)], dim=-1)  # (..., m)
        lift = self.lift * temperature - bids.detach().amin(-1, keepdim=True)
        sale = self.market(
            ((bids + lift) * costs).double(), self.shares, sizes=costs, supply=supply.double(), temperature=temperature
        )
        self.prices = sale.prices.detach()
        if whole:
            allocation = self._whole(bids, supply.double())
        else:
            plenty = (supply >= 1.0).all(-1, keepdim=True)  # nothing is scarce
            allocation = torch.where(plenty, 1.0, sale.allocation).to(bids.dtype)
        price = (sale.prices[..., :1] - lift).to(bids.dtype)  # in the money of valuations
        return Sale(allocation, price, (costs.to(bids.dtype) * allocation).sum(-1))

    def _whole(self, bids: Tensor, supply: Tensor) -> Tensor:
        assert self.prices is not None
        others = (self.prices.unsqueeze(-2)[..., 1:] * self.shares[:, 1:]).sum(-1) / self.shares[:, 0]  # (..., n)
        order = (bids.double() - others).sort(dim=-1, descending=True, stable=True).indices
        used = self.shares[order].cumsum(-2)  # (..., n, m)
        fits = (used <= supply.unsqueeze(-2) * (1.0 + _ROUNDING)).all(-1)
        served = fits.to(bids.dtype).cumprod(-1)
        return torch.zeros_like(served).scatter(-1, order, served)
