"""A second, independent route to the gradients of the capacity market: solve, then one attached Newton step.

The price is found without a graph, by halving a bracket (no code in common with the operator's solver). One Newton step
from it, with a graph, moves it by nothing but rounding, and carries the derivative that the implicit function theorem
gives: with excess demand E(p, theta) = 0,

    p <- p - E(p, theta) / E_p(p),      dp/dtheta = -E_theta / E_p.

Shares then depend on the price through the demand rule alone, and autograd does the rest. First derivatives only.
"""

import torch
from torch import Tensor

from walras.market.operators import OperatorClearing

_HALVINGS = 200


def share(margin_in_scales: Tensor, rule: str) -> Tensor:
    """Share bought at a margin in units of the temperature ("logit") or of the width ("linear")."""
    if rule == "logit":
        return 1.0 / (1.0 + torch.exp(-margin_in_scales))
    return margin_in_scales.clamp(0.0, 1.0)


def implicit_clearing(
    valuations: Tensor, costs: Tensor, supply: Tensor, scale: Tensor, *, rule: str, tax_rates: Tensor
) -> OperatorClearing:
    """Clear markets whose supply lies strictly between 0 and the sum of costs; shapes as in `capacity_allocation`."""
    net_valuations, supply, scale = valuations - tax_rates, supply.unsqueeze(-1), scale.unsqueeze(-1)

    def excess(price: Tensor) -> Tensor:  # (..., 1)
        shares = share((net_valuations - price) / scale, rule)
        return (costs * shares).sum(-1, keepdim=True) - supply

    with torch.no_grad():
        # Far above every agent nothing is sold, far below everything: excess demand changes sign in between.
        low = (net_valuations - 50.0 * scale).amin(-1, keepdim=True)
        high = (net_valuations + 50.0 * scale).amax(-1, keepdim=True)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            short = excess(middle) >= 0.0
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        price = 0.5 * (low + high)
        shares = share((net_valuations - price) / scale, rule)
        response = shares * (1.0 - shares) if rule == "logit" else ((shares > 0.0) & (shares < 1.0)).to(shares.dtype)
        slope = (costs * response / scale).sum(-1, keepdim=True)  # -E_p

    price = price + excess(price) / slope
    allocation = share((net_valuations - price) / scale, rule)
    return OperatorClearing(allocation, price.squeeze(-1), (costs * allocation).sum(-1))
