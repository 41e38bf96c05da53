"""The compiled capacity market: shapes, types and numbers are checked here, then the functional operators clear."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from walras.market.capacity import CapacityMarket
from walras.market.demand import LinearDemand, LogitDemand, StepDemand
from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.operators.capacity import OperatorClearing
from walras.market.operators.capacity_rules import Bids, clear_market
from walras.market.operators.inputs import number_like
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import common_dtype, relative_tolerance
from walras.market.operators.straight_through import straight_through
from walras.market.supply import ElasticSupply, FixedSupply, LinearSupply, PostedPrice, PriceCollar
from walras.market.taxation.ad_valorem import AdValoremTax
from walras.market.taxation.per_unit import PerUnitTax

__all__ = ["CapacityOperator"]


class CapacityOperator(nn.Module):
    """A compiled `CapacityMarket`; made by `compile_mechanism`. It has no parameters: bids come in with each call.

    Examples
    --------
    >>> import torch
    >>> from walras.market import CapacityMarket, FixedSupply, LogitDemand
    >>> from walras.market.operators import compile_mechanism
    >>> market = compile_mechanism(CapacityMarket(FixedSupply(1.0), LogitDemand(0.1)))
    >>> valuations = torch.tensor([[0.3, 0.2, 0.1], [1.0, 0.0, 0.0]])
    >>> market(valuations, torch.ones(3)).allocation.sum(-1).round(decimals=4)
    tensor([1., 1.])
    """

    def __init__(self, mechanism: CapacityMarket, *, hard: bool = False, check_values: bool = False) -> None:
        super().__init__()
        self.mechanism, self.hard, self.check_values = mechanism, hard, check_values
        self._rates = _rates_of(mechanism)
        self._whole = replace(mechanism, demand=StepDemand(divisible=False)) if hard else None
        self._constants: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def extra_repr(self) -> str:
        """Show the rules when the module is printed."""
        return repr(self.mechanism)

    def forward(
        self,
        valuations: Tensor,
        costs: Tensor,
        *,
        supply: Tensor | float | None = None,
        tax: Tensor | float | None = None,
        ad_valorem: Tensor | float | None = None,
        temperature: Tensor | float | None = None,
        mask: Tensor | None = None,
    ) -> OperatorClearing:
        """Clear every market of the batch.

        Parameters
        ----------
        valuations, costs
            Money per unit, and units when fully served (above 0); shape (..., n), broadcast against each other.
        supply
            In place of the specification's number, shape (...): the quantity of a fixed supply or a collar, the posted
            price, the reference quantity of an elastic supply, the intercept of a linear one.
        tax
            In place of its per-unit tax rates; shape (..., n), or (n,), or a number.
        ad_valorem
            In place of its ad valorem rates (fractions of the price, above -1), likewise.
        temperature
            In place of its temperature (logit demand) or width (linear demand); shape (...).
        mask
            True for the agents that take part, shape (..., n); the others get a share of 0, whatever stands in their
            places. Without it all take part.

        Returns
        -------
        OperatorClearing
            Shares, prices and units sold. Ties, corners and gradients as in `capacity_allocation` and
            `step_allocation`.

        Raises
        ------
        InvalidInputError
            Shapes that do not fit, no agents, integer or complex tensors, tensors on different devices; a temperature
            for step demand. With `check_values`, also what the engine raises for.
        NotDifferentiableError
            Step demand, when an input requires a gradient: the allocation jumps, and its derivative is 0 elsewhere.
        """
        self._check_tensors(valuations, costs, mask)
        dtype = common_dtype(valuations, costs, supply, tax, ad_valorem, temperature)
        valuations, costs = valuations.to(dtype), costs.to(dtype)
        level = self._number("supply", _level_of(self.mechanism), supply, valuations)
        tax_rates = self._rate("tax", self._rates[0], tax, valuations)
        price_rates = self._rate("ad_valorem", self._rates[1], ad_valorem, valuations)
        scale = self._scale(temperature, valuations)
        bids = Bids(valuations, costs, level, tax_rates, price_rates, scale, mask)
        _check_broadcast(bids)
        if self.check_values:
            self._check_values(bids)
        soft = clear_market(self.mechanism, bids)
        if self._whole is None:
            return soft
        with torch.no_grad():  # whole agents, as long as they fit
            exact = clear_market(self._whole, bids._replace(scale=None))
        return straight_through(exact, soft)

    def rates(self, like: Tensor, *, tax: Tensor | float | None = None) -> tuple[Tensor, Tensor]:
        """Give the per-unit and the ad valorem rates as tensors like `like`; `tax` in place of the first, as above."""
        per_unit, on_price = self._rates
        return number_like("tax", per_unit if tax is None else tax, like), number_like("ad_valorem", on_price, like)

    def _rate(self, name: str, default: object, given: Tensor | float | None, like: Tensor) -> Tensor | None:
        """Give rates as a tensor; None where nothing is taxed, which is quicker."""
        if given is None and isinstance(default, float) and default == 0.0:
            return None
        return self._number(name, default, given, like)

    def _scale(self, given: Tensor | float | None, like: Tensor) -> Tensor | None:
        match self.mechanism.demand:
            case LogitDemand(temperature=scale) | LinearDemand(width=scale):
                return self._number("temperature", scale, given, like)
            case StepDemand():
                if given is not None:
                    raise InvalidInputError("temperature was given, but step demand has none: leave it out.")
                return None

    def _number(self, name: str, default: object, given: Tensor | float | None, like: Tensor) -> Tensor:
        if given is not None or not isinstance(default, float) or torch.compiler.is_compiling():
            return number_like(name, default if given is None else given, like, of="valuations are")
        # A number of the rules is put on the device once; what is made while a CUDA graph is captured belongs to it.
        key = (name, like.dtype, like.device)
        if key not in self._constants:
            constant = number_like(name, default, like)
            if like.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                return constant
            self._constants[key] = constant
        return self._constants[key]

    @staticmethod
    def _check_tensors(valuations: Tensor, costs: Tensor, mask: Tensor | None) -> None:
        for name, tensor in (("valuations", valuations), ("costs", costs)):
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                raise InvalidInputError(f"{name} must be a floating-point tensor of shape (..., n), got {got}.")
            if tensor.ndim == 0 or tensor.shape[-1] == 0:
                raise InvalidInputError(
                    f"{name} must have shape (..., n) with n >= 1 agents, got {tuple(tensor.shape)}."
                )
        if valuations.device != costs.device:
            raise InvalidInputError(
                f"costs are on {costs.device}, valuations on {valuations.device}: move one of them."
            )
        if mask is None:
            return
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise InvalidInputError(f"mask must be a tensor of booleans of shape (..., n), got {got}.")
        if mask.device != valuations.device:
            raise InvalidInputError(f"mask is on {mask.device}, valuations on {valuations.device}: move one of them.")

    def _check_values(self, bids: Bids) -> None:
        valuations, costs, level, scale, mask = bids.valuations, bids.costs, bids.level, bids.scale, bids.mask
        rates = {"tax": bids.tax, "ad_valorem": bids.ad_valorem}
        if mask is not None:  # absent agents bid 0, pay no tax, and are not counted below
            valuations, costs = torch.where(mask, valuations, 0.0), torch.where(mask, costs, 1.0)
            rates = {name: None if rate is None else torch.where(mask, rate, 0.0) for name, rate in rates.items()}
        named = {"valuations": valuations, "costs": costs, "supply": level, **rates}
        for name, tensor in ((name, tensor) for name, tensor in named.items() if tensor is not None):
            bad = tensor[~tensor.isfinite()]
            if bad.numel():
                raise InvalidInputError(f"{name} must be finite, got {bad[0].item()} ({bad.numel()} bad in all).")
        if rates["ad_valorem"] is not None and not bool((rates["ad_valorem"] > -1.0).all()):
            raise InvalidInputError(f"ad_valorem must be above -1, the smallest is {rates['ad_valorem'].min().item()}.")
        if not bool((costs > 0.0).all()):
            raise InvalidInputError(f"costs must be above 0, the smallest is {costs.min().item()}.")
        if scale is not None and not bool(((scale > 0.0) & scale.isfinite()).all()):
            raise InvalidInputError(f"temperature must be finite and above 0, the smallest is {scale.min().item()}.")
        self._check_level(valuations, costs, level, mask)

    def _check_level(self, valuations: Tensor, costs: Tensor, level: Tensor, mask: Tensor | None) -> None:
        supply = self.mechanism.supply
        if isinstance(supply, ElasticSupply) and not bool((level > 0.0).all()):
            raise InvalidInputError(f"supply must be above 0, the smallest is {level.min().item()}.")
        if isinstance(supply, FixedSupply | PriceCollar) and not bool((level >= 0.0).all()):
            raise InvalidInputError(f"supply must be 0 or more, the smallest is {level.min().item()}.")
        sold_out = isinstance(supply, FixedSupply) and not supply.free_disposal
        if sold_out or (isinstance(supply, PriceCollar) and supply.floor == -math.inf):
            units = costs if mask is None else torch.where(mask, costs, 0.0)
            total = units.expand(broadcast_shape(units.shape, valuations.shape)).sum(-1)
            if not bool((level <= total * (1.0 + relative_tolerance(total.dtype))).all()):
                raise InfeasibleError(
                    f"supply must lie in [0, sum of costs]: got {level.min().item()} to "
                    f"{level.max().item()}, the smallest sum of costs is {total.min().item()}."
                )


def _level_of(mechanism: CapacityMarket) -> float:
    """Give the number of the supply rule that a call may replace."""
    match mechanism.supply:
        case FixedSupply(quantity=level) | PriceCollar(quantity=level) | PostedPrice(price=level):
            return level
        case ElasticSupply(reference_quantity=level) | LinearSupply(intercept=level):
            return level


def _rates_of(mechanism: CapacityMarket) -> tuple[object, object]:
    """Add up the per-unit and the ad valorem rates: each a number, or an array with one entry for each agent."""
    taxes = mechanism.tax if isinstance(mechanism.tax, tuple) else (mechanism.tax,)
    sums: dict[type, Any] = {PerUnitTax: 0.0, AdValoremTax: 0.0}
    for tax in taxes:
        sums[type(tax)] = sums[type(tax)] + (tax.rate if isinstance(tax.rate, float) else np.asarray(tax.rate))
    return sums[PerUnitTax], sums[AdValoremTax]


def _check_broadcast(bids: Bids) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "valuations": bids.valuations.shape,
        "costs": bids.costs.shape,
        "supply": (*bids.level.shape, 1),
    }
    for name, tensor in (("tax", bids.tax), ("ad_valorem", bids.ad_valorem), ("mask", bids.mask)):
        if tensor is not None:
            shapes[name] = tensor.shape
    if bids.scale is not None:
        shapes["temperature"] = (*bids.scale.shape, 1)
    try:
        shape = broadcast_shape(*shapes.values())
    except RuntimeError as error:
        listing = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise InvalidInputError(
            f"Shapes do not fit: {listing}. Agents are the last dimension; "
            "supply and temperature have one entry per market."
        ) from error
    agents = bids.valuations.shape[-1]
    if shape[-1] not in (agents, bids.costs.shape[-1]):
        longer = next(name for name, size in shapes.items() if size[-1] == shape[-1])
        raise InvalidInputError(f"{longer} has {shape[-1]} agents, valuations have {agents}.")
