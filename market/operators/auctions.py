"""Sealed-bid auctions of identical units, for many auctions at once: exact, or smooth at a temperature.

**Smooth form.** At temperature tau an auction of K units is a capacity market: every bid b is a buyer of one unit with
logit demand, so that it wins with probability `x = sigmoid((b - p) / tau)`, and the price p is the one at which K units
are sold, or the reserve r if fewer are wanted there: `p = max(r, p(K))`. As tau -> 0 bids win as in the exact auction.

Order statistics are prices of the same market at other supplies: at a supply of `K - 1/2` the price tends to the K-th
highest bid (half of that bid is served exactly when the price equals it), at `K + 1/2` to the next one. So

==========================  ============================================================================
rule                        bidder i pays
==========================  ============================================================================
`DISCRIMINATORY`            sum of b x over its bids
`ALL_PAY`                   sum of its accepted bids
`UNIFORM_LOWEST_WINNING`    `max(r, p(S - 1/2))` for each unit it wins, S the units sold (K, or fewer at r)
`UNIFORM_HIGHEST_LOSING`    `max(r, p(K + 1/2))` for each unit it wins
`VICKREY`                   what its presence costs the others: `W(-i) - (W - its own part of W)`
==========================  ============================================================================

with `W = sum (b x + tau H(x)) + r (units left)` the welfare that the smooth allocation maximises, H the entropy `-x log
x - (1 - x) log(1 - x)`. These are the Clarke payments of a truthful mechanism among bidders with logistic taste shocks:
a bidder gains nothing by misreporting at any temperature.

Bids of 0 are no bids; they take no part. Source: exact rules, `walras.market.auctions.sealed_bid`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from walras.market.auctions import PaymentRule, SealedBidAuction
from walras.market.errors import InvalidInputError, NotDifferentiableError
from walras.market.operators.capacity import OperatorClearing, capacity_allocation
from walras.market.operators.inputs import check_amounts, floating, number_like
from walras.market.operators.solve import LOGIT, common_dtype
from walras.market.operators.straight_through import straight_through

__all__ = ["AuctionClearing", "SealedBidOperator"]


class AuctionClearing(NamedTuple):
    """What a compiled auction gives.

    Units won and money paid by each bidder, of shape (..., n); price per unit and revenue of each auction, of shape
    (...). The price is that of the rule's own bid (highest losing, lowest winning) under uniform pricing, and the
    clearing price otherwise, in the exact form the highest losing bid; never below the reserve.
    """

    allocation: Tensor
    payments: Tensor
    price: Tensor
    revenue: Tensor


class SealedBidOperator(nn.Module):
    """A compiled `SealedBidAuction`; made by `compile_mechanism`. It has no parameters: bids come in with each call.

    Examples
    --------
    >>> import torch
    >>> from walras.market.auctions import PaymentRule, SealedBidAuction
    >>> from walras.market.operators import compile_mechanism
    >>> auction = compile_mechanism(SealedBidAuction(PaymentRule.VICKREY, units=2), temperature=0.01)
    >>> outcome = auction(torch.tensor([[5.0, 2.0, 6.0], [1.0, 3.0, 2.0]]))
    >>> outcome.payments.round(decimals=2).abs()
    tensor([[2., 0., 2.],
            [0., 1., 1.]])
    """

    def __init__(
        self, mechanism: SealedBidAuction, *, temperature: float | None, hard: bool = False, check_values: bool = False
    ) -> None:
        super().__init__()
        self.mechanism, self.temperature, self.hard, self.check_values = mechanism, temperature, hard, check_values

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return f"{self.mechanism!r}, temperature={self.temperature}"

    def forward(
        self, bids: Tensor, *, reserve: Tensor | float | None = None, temperature: Tensor | float | None = None
    ) -> AuctionClearing:
        """Clear every auction of the batch.

        Parameters
        ----------
        bids
            Money per unit, 0 or more: shape (..., n) if the rules let a bidder bid for one unit, else (..., n, k) with
            each row falling.
        reserve
            In place of the rules' reserve: a number, or one for each auction, shape (...).
        temperature
            In place of the temperature (money per unit); a number, or shape (...). Without any the outcome is exact.

        Raises
        ------
        InvalidInputError
            Bids of the wrong shape or type, a reserve for each bidder in the smooth form; with `check_values`, also
            negative or infinite numbers.
        NotDifferentiableError
            The exact form, when an input requires a gradient: who wins jumps.
        """
        floating("bids", bids)
        dtype = common_dtype(bids, reserve, temperature)
        table = self._table(bids.to(dtype))
        # The rules' own reserve: a number, or (n,); one given here: a number, or (...), one for each auction.
        reserves = number_like("reserve", self.mechanism.reserve if reserve is None else reserve, table)
        if self.check_values:
            check_amounts("bids", table)
            check_amounts("reserve", reserves)
        scale = self.temperature if temperature is None else temperature
        if scale is None:
            wanted = [name for name, t in (("bids", table), ("reserve", reserves)) if t.requires_grad]
            if wanted and torch.is_grad_enabled():
                raise NotDifferentiableError(
                    f"{', '.join(wanted)} requires a gradient, but in an exact auction who wins jumps. Compile it with "
                    "a temperature, or call it under torch.no_grad()."
                )
            return self._exact(table, reserves if reserve is None else reserves.unsqueeze(-1))
        if reserve is None and isinstance(self.mechanism.reserve, tuple):
            raise InvalidInputError(
                "The smooth form takes one reserve for all bidders of an auction, got one for each: give reserve=."
            )
        scales = number_like("temperature", scale, table)
        soft = self._smooth(table, reserves, scales)
        if not self.hard:
            return soft
        return straight_through(self._exact(table.detach(), reserves.detach().unsqueeze(-1)), soft)

    def _table(self, bids: Tensor) -> Tensor:
        """Bids as (..., n, k)."""
        demand = self.mechanism.demand
        if demand == 1:
            if bids.ndim < 1 or bids.shape[-1] == 0:
                raise InvalidInputError(f"bids must have shape (..., n), n >= 1; got {tuple(bids.shape)}.")
            return bids.unsqueeze(-1)
        if bids.ndim < 2 or bids.shape[-1] != demand or bids.shape[-2] == 0:
            raise InvalidInputError(f"bids must have shape (..., n, {demand}), n >= 1; got {tuple(bids.shape)}.")
        return bids

    def _smooth(self, table: Tensor, reserve: Tensor, scale: Tensor) -> AuctionClearing:
        rule, units = self.mechanism.payment_rule, float(self.mechanism.units)
        bids, taking_part = table.flatten(-2), table.flatten(-2) > 0.0
        shares, price = _sold_at_least_at(bids, taking_part, reserve, scale, units)
        own = shares.unflatten(-1, table.shape[-2:])  # (..., n, k)
        allocation = own.sum(-1)
        match rule:
            case PaymentRule.DISCRIMINATORY:
                payments = (table * own).sum(-1)
            case PaymentRule.ALL_PAY:
                accepted = torch.sigmoid((table - reserve[..., None, None]) / scale[..., None, None])
                payments = (table * accepted).sum(-1)
            case PaymentRule.UNIFORM_LOWEST_WINNING:
                sold = shares.sum(-1)  # fewer than K units where the reserve binds
                price = _reserved_price(
                    bids, taking_part, reserve, scale, torch.maximum(sold - 0.5, 0.5 * sold).clamp(min=1e-6)
                )
                payments = price.unsqueeze(-1) * allocation
            case PaymentRule.UNIFORM_HIGHEST_LOSING:
                more = torch.full_like(shares[..., 0], units + 0.5)
                price = _reserved_price(bids, taking_part, reserve, scale, more)
                payments = price.unsqueeze(-1) * allocation
            case PaymentRule.VICKREY:
                payments = self._clarke(table, taking_part, shares, reserve, scale, units)
        return AuctionClearing(allocation, payments, price, payments.sum(-1))

    @staticmethod
    def _clarke(
        table: Tensor, taking_part: Tensor, shares: Tensor, reserve: Tensor, scale: Tensor, units: float
    ) -> Tensor:
        """What each bidder's presence costs the others (..., n), by clearing the auction once without each."""
        bidders, demand = table.shape[-2:]
        bids = table.flatten(-2)
        others = ~torch.eye(bidders, dtype=torch.bool, device=bids.device).repeat_interleave(demand, 1)  # (n, n * k)
        without = taking_part.unsqueeze(-2) & others
        wide_reserve, wide_scale = reserve.unsqueeze(-1), scale.unsqueeze(-1)
        bids_without = bids.unsqueeze(-2).expand(without.shape)
        shares_without, _ = _sold_at_least_at(bids_without, without, wide_reserve, wide_scale, units)
        welfare_without = _welfare(bids_without, shares_without, wide_reserve, wide_scale, units)
        own = _parts(bids, shares, scale).unflatten(-1, (bidders, demand)).sum(-1)
        return welfare_without - (_welfare(bids, shares, reserve, scale, units).unsqueeze(-1) - own)

    def _exact(self, table: Tensor, reserve: Tensor) -> AuctionClearing:
        bidders, demand = table.shape[-2:]
        rule, units = self.mechanism.payment_rule, self.mechanism.units
        reserves = reserve.expand(table.shape[:-1])  # (..., n)
        accepted = torch.where(table >= reserves.unsqueeze(-1), table, 0.0)
        row = accepted.flatten(-2)  # (..., n * k)
        falling, order = row.sort(dim=-1, descending=True, stable=True)
        wins = (torch.arange(row.shape[-1], device=row.device) < units) & (falling > 0.0)
        won = torch.zeros_like(wins).scatter(-1, order, wins).unflatten(-1, (bidders, demand))
        allocation = won.sum(-1)
        beyond = falling[..., units : units + demand]  # losing bids, at most as many as a bidder may win
        highest_losing = beyond[..., 0] if beyond.shape[-1] else torch.zeros_like(falling[..., 0])
        lowest_winning = torch.where(won, accepted, torch.inf).flatten(-2).amin(-1)
        price = torch.maximum(highest_losing, reserves.amin(-1))
        match rule:
            case PaymentRule.DISCRIMINATORY:
                payments = torch.where(won, accepted, 0.0).sum(-1)
            case PaymentRule.ALL_PAY:
                payments = accepted.sum(-1)
            case PaymentRule.UNIFORM_HIGHEST_LOSING:
                payments = torch.maximum(highest_losing.unsqueeze(-1), reserves) * allocation
            case PaymentRule.UNIFORM_LOWEST_WINNING:
                price = torch.where(lowest_winning.isfinite(), lowest_winning, reserves.amin(-1))
                payments = torch.maximum(price.unsqueeze(-1), reserves) * allocation
            case PaymentRule.VICKREY:
                owners = (order // demand)[..., units : units + demand].unsqueeze(-2)  # (..., 1, k)
                others = owners != torch.arange(bidders, device=row.device).unsqueeze(-1)  # (..., n, k)
                displaced = others & (others.cumsum(-1) <= allocation.unsqueeze(-1))
                prices = torch.maximum(beyond.unsqueeze(-2), reserves.unsqueeze(-1))
                unclaimed = allocation - displaced.sum(-1)
                payments = torch.where(displaced, prices, 0.0).sum(-1) + unclaimed * reserves
        return AuctionClearing(allocation.to(table.dtype), payments, price, payments.sum(-1))


def _sold_at_least_at(
    bids: Tensor, taking_part: Tensor, reserve: Tensor, scale: Tensor, units: float
) -> tuple[Tensor, Tensor]:
    """Sell `units` at the price that clears them, but not below the reserve: shares (..., N) and prices (...)."""
    clearing = _cleared(bids, taking_part, scale, units)
    at_reserve = torch.sigmoid((bids - reserve.unsqueeze(-1)) / scale.unsqueeze(-1))
    at_reserve = torch.where(taking_part, at_reserve, 0.0)
    above = clearing.price > reserve
    shares = torch.where(above.unsqueeze(-1), clearing.allocation, at_reserve)
    return shares, torch.where(above, clearing.price, reserve.expand(above.shape))


def _reserved_price(bids: Tensor, taking_part: Tensor, reserve: Tensor, scale: Tensor, units: Tensor) -> Tensor:
    """Price at a supply of `units`, shape (...), but not below the reserve."""
    price = _cleared(bids, taking_part, scale, units).price
    return torch.where(price > reserve, price, reserve.expand(price.shape))


def _cleared(bids: Tensor, taking_part: Tensor, scale: Tensor, units: Tensor | float) -> OperatorClearing:
    present = taking_part.sum(-1).to(bids.dtype)
    costs = torch.ones((1,), dtype=bids.dtype, device=bids.device)
    return capacity_allocation(bids, costs, present.clamp(max=units), scale, rule=LOGIT, mask=taking_part)


def _parts(bids: Tensor, shares: Tensor, scale: Tensor) -> Tensor:
    """What each bid adds to welfare, its entropy included (..., N)."""
    uncertain = (shares > 0.0) & (shares < 1.0)
    share = torch.where(uncertain, shares, 0.5)  # entropy has no finite slope at its ends
    entropy = torch.special.entr(share) + torch.special.entr(1.0 - share)
    return bids * shares + scale.unsqueeze(-1) * torch.where(uncertain, entropy, 0.0)


def _welfare(bids: Tensor, shares: Tensor, reserve: Tensor, scale: Tensor, units: float) -> Tensor:
    """The sum of these, and what the seller keeps at its reserve (...)."""
    return _parts(bids, shares, scale).sum(-1) + reserve * (units - shares.sum(-1))
