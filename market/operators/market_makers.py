"""Automated market makers as operators: the logarithmic market scoring rule and the constant product, in batches.

    scoring rule      price softmax(q / b), a purchase d costs C(q + d) - C(q), C(q) = b log sum exp(q / b)
    constant product  a sale of a into reserves (x, y) at the fee f gives out = y a (1 - f) / (x + a (1 - f))

Both are smooth; nothing is approximated. The engine's certificates, statuses and integer pools have no place in
tensors: see `walras.market.market_makers`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from walras.market.errors import InvalidInputError
from walras.market.market_makers import ConstantProduct, LogarithmicScoringRule
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.solve import common_dtype

__all__ = ["ConstantProductOperator", "PoolSwap", "ScoringRuleOperator", "ScoringTrades"]


class ScoringTrades(NamedTuple):
    """What a compiled scoring rule gives: payments (...), and prices after the purchase (..., n)."""

    payment: Tensor
    prices: Tensor


class ScoringRuleOperator(nn.Module):
    """A compiled `LogarithmicScoringRule`; made by `compile_mechanism`.

    Examples
    --------
    >>> import torch
    >>> from walras.market.market_makers import LogarithmicScoringRule
    >>> from walras.market.operators import compile_mechanism
    >>> maker = compile_mechanism(LogarithmicScoringRule(outcomes=2, liquidity=100.0))
    >>> trade = maker(torch.zeros(2), torch.tensor([50.0, 0.0]))
    >>> trade.payment.round(decimals=3), trade.prices.round(decimals=3)
    (tensor(28.0930), tensor([0.6220, 0.3780]))
    """

    def __init__(self, mechanism: LogarithmicScoringRule, *, check_values: bool = False) -> None:
        super().__init__()
        self.mechanism, self.check_values = mechanism, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return repr(self.mechanism)

    def forward(
        self, quantities: Tensor, purchase: Tensor, *, liquidity: Tensor | float | None = None
    ) -> ScoringTrades:
        """Sell `purchase` shares (..., n) where `quantities` (..., n) have been sold.

        Parameters
        ----------
        quantities, purchase
            Shares of each outcome; negative entries of a purchase are sales.
        liquidity
            In place of the rule's b (shares), above 0; a number, or shape (...).

        Raises
        ------
        InvalidInputError
            Another number of outcomes than the rule has, integer tensors, other devices; with `check_values`, also
            numbers that are not finite.

        Notes
        -----
        *Differentiable in* all; the derivative of the payment in the purchase is the price after it.
        """
        floating("quantities", quantities)
        floating("purchase", purchase)
        dtype = common_dtype(quantities, purchase, liquidity)
        sold, bought = quantities.to(dtype), number_like("purchase", purchase.to(dtype), quantities.to(dtype))
        for name, tensor in (("quantities", sold), ("purchase", bought)):
            if tensor.ndim == 0 or tensor.shape[-1] != self.mechanism.outcomes:
                raise InvalidInputError(
                    f"{name} must have shape (..., {self.mechanism.outcomes}), one for each outcome; got "
                    f"{tuple(tensor.shape)}."
                )
        depth = number_like("liquidity", self.mechanism.liquidity if liquidity is None else liquidity, sold)
        if self.check_values:
            check_amounts("quantities, in size,", sold.abs())
            check_amounts("purchase, in size,", bought.abs())
        wide = depth.unsqueeze(-1)
        # b log sum_i p_i exp(d_i / b): the cost without the difference of two large numbers.
        payment = depth * ((sold / wide).log_softmax(-1) + bought / wide).logsumexp(-1)
        return ScoringTrades(payment, ((sold + bought) / wide).softmax(-1))


class PoolSwap(NamedTuple):
    """What a compiled pool gives: what comes out, the fee (units sold), and the reserves afterwards (..., 2)."""

    amount_out: Tensor
    fee: Tensor
    reserves: Tensor


class ConstantProductOperator(nn.Module):
    """A compiled `ConstantProduct`; made by `compile_mechanism`. Pools come in as reserves of shape (..., 2).

    Examples
    --------
    >>> import torch
    >>> from walras.market.market_makers import ConstantProduct
    >>> from walras.market.operators import compile_mechanism
    >>> pool = compile_mechanism(ConstantProduct((100.0, 400.0), fee=0.0))
    >>> swap = pool(torch.tensor([25.0, 100.0]), sold=0)
    >>> swap.amount_out, swap.reserves
    (tensor([ 80., 200.]), tensor([[125., 320.],
            [200., 200.]]))
    """

    def __init__(self, mechanism: ConstantProduct, *, check_values: bool = False) -> None:
        super().__init__()
        self.mechanism, self.check_values = mechanism, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return repr(self.mechanism)

    def forward(
        self, amount: Tensor, *, sold: int, reserves: Tensor | None = None, fee: Tensor | float | None = None
    ) -> PoolSwap:
        """Sell `amount` (...) of asset `sold` to each pool.

        Parameters
        ----------
        amount
            Units sold to the pool, 0 or more, shape (...).
        sold
            Which asset: 0 or 1.
        reserves
            In place of the pool's (units, above 0), shape (..., 2).
        fee
            In place of its fee (fraction of what is sold, in [0, 1)); a number, or shape (...).

        Raises
        ------
        InvalidInputError
            Another asset, reserves of the wrong shape, integer tensors, other devices; with `check_values`, also
            numbers that are not finite, or negative.

        Notes
        -----
        *Differentiable in* amount, reserves and fee. *Source*: `walras.market.market_makers.constant_product`.
        """
        floating("amount", amount)
        dtype = common_dtype(amount, reserves, fee)
        amount = amount.to(dtype)
        if sold not in (0, 1) or isinstance(sold, bool):
            raise InvalidInputError(f"sold must be 0 or 1, one of the pool's assets; got {sold!r}.")
        held = number_like("reserves", self.mechanism.reserves if reserves is None else reserves, amount)
        if held.ndim == 0 or held.shape[-1] != 2:
            raise InvalidInputError(f"reserves must have shape (..., 2), got {tuple(held.shape)}.")
        rate = number_like("fee", self.mechanism.fee if fee is None else fee, amount)
        if self.check_values:
            for name, tensor in (("amount", amount), ("reserves", held), ("fee", rate)):
                check_amounts(name, tensor)
        own, other = held[..., sold], held[..., 1 - sold]
        net = amount * (1.0 - rate)
        out = other * (net / (own + net))
        after = (own + amount, other * (own / (own + net)))
        return PoolSwap(out, amount * rate, torch.stack(after if sold == 0 else after[::-1], -1))
