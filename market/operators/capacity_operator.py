"""The compiled capacity market: shapes, types and numbers are checked here, then the functional operators clear."""

import torch
from torch import Tensor, nn

from walras.market.capacity import CapacityMarket
from walras.market.demand import LinearDemand, LogitDemand, StepDemand
from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.operators.capacity import OperatorClearing, capacity_allocation
from walras.market.operators.inputs import number_like
from walras.market.operators.shapes import broadcast_shape
from walras.market.operators.solve import LINEAR, LOGIT, common_dtype, relative_tolerance, share_of, well_formed
from walras.market.operators.step import refuse_gradients, step_allocation
from walras.market.operators.straight_through import straight_through
from walras.market.supply import FixedSupply, PostedPrice
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
        supply, tax = mechanism.supply, mechanism.tax
        if not (isinstance(supply, PostedPrice) or (isinstance(supply, FixedSupply) and not supply.free_disposal)):
            raise InvalidInputError(
                f"compile_mechanism does not know {supply!r} yet: it compiles FixedSupply without free disposal, and "
                "PostedPrice. Clear the market with CapacityMarket.clear."
            )
        if not isinstance(tax, PerUnitTax):
            raise InvalidInputError(
                f"compile_mechanism does not know the tax {tax!r} yet: it compiles PerUnitTax. Clear the market with "
                "CapacityMarket.clear."
            )
        self.mechanism, self.hard, self.check_values = mechanism, hard, check_values
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
        temperature: Tensor | float | None = None,
        mask: Tensor | None = None,
    ) -> OperatorClearing:
        """Clear every market of the batch.

        Parameters
        ----------
        valuations, costs
            Money per unit, and units when fully served (above 0); shape (..., n), broadcast against each other.
        supply
            In place of the specification's number: the quantity of a fixed supply, or the posted price; shape (...).
        tax
            In place of its tax rates; shape (..., n), or (n,), or a number.
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
        dtype = common_dtype(valuations, costs, supply, tax, temperature)
        valuations, costs = valuations.to(dtype), costs.to(dtype)
        level = self._number("supply", _level_of(self.mechanism), supply, valuations)
        rate = _rate_of(self.mechanism)
        untaxed = tax is None and rate == 0.0
        tax_rates = None if untaxed else self._number("tax", rate, tax, valuations)
        scale = self._scale(temperature, valuations)
        _check_broadcast(valuations, costs, level, tax_rates, scale, mask)
        if self.check_values:
            self._check_values(valuations, costs, level, tax_rates, scale, mask)
        return self._clear(valuations, costs, level, tax_rates, scale, mask)

    def _clear(
        self,
        valuations: Tensor,
        costs: Tensor,
        level: Tensor,
        tax_rates: Tensor | None,
        scale: Tensor | None,
        mask: Tensor | None,
    ) -> OperatorClearing:
        fixed = isinstance(self.mechanism.supply, FixedSupply)
        if isinstance(self.mechanism.demand, StepDemand) or scale is None:
            taxes = {} if tax_rates is None else {"tax": tax_rates}
            refuse_gradients(valuations=valuations, costs=costs, supply=level, **taxes)
            net = valuations if tax_rates is None else valuations - tax_rates
            if fixed:
                divisible = self.mechanism.demand.divisible  # type: ignore[union-attr]
                return step_allocation(net, costs, level, divisible=divisible, mask=mask)
            allocation = (net >= level.unsqueeze(-1)).to(net.dtype)
            return _posted(allocation, well_formed(net, costs, mask).squeeze(-1), costs, level, mask)
        rule = LOGIT if isinstance(self.mechanism.demand, LogitDemand) else LINEAR
        if fixed:
            soft = capacity_allocation(valuations, costs, level, scale, rule=rule, tax_rates=tax_rates, mask=mask)
            return straight_through(self._hard(valuations, costs, level, tax_rates, mask), soft) if self.hard else soft
        with torch.autocast(valuations.device.type, enabled=False):
            net = valuations if tax_rates is None else valuations - tax_rates
            if mask is not None:  # what stands in the places of absent agents must not reach a gradient
                net, costs = torch.where(mask, net, 0.0), torch.where(mask, costs, 1.0)
            allocation = share_of((net - level.unsqueeze(-1)) / scale.unsqueeze(-1), rule)
            answerable = well_formed(net, costs, mask).squeeze(-1) & (scale > 0.0) & scale.isfinite()
            return _posted(allocation, answerable, costs, level, mask)

    @staticmethod
    @torch.no_grad()
    def _hard(
        valuations: Tensor, costs: Tensor, level: Tensor, tax_rates: Tensor | None, mask: Tensor | None
    ) -> OperatorClearing:
        """Serve whole agents in descending order of net valuation, as long as they fit."""
        net = valuations if tax_rates is None else valuations - tax_rates
        return step_allocation(net, costs, level, divisible=False, mask=mask)

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

    def _check_values(
        self,
        valuations: Tensor,
        costs: Tensor,
        level: Tensor,
        tax_rates: Tensor | None,
        scale: Tensor | None,
        mask: Tensor | None,
    ) -> None:
        if mask is not None:  # absent agents bid 0, pay no tax, and are not counted below
            valuations, costs = torch.where(mask, valuations, 0.0), torch.where(mask, costs, 1.0)
            tax_rates = None if tax_rates is None else torch.where(mask, tax_rates, 0.0)
        named = (("valuations", valuations), ("costs", costs), ("supply", level), ("tax", tax_rates))
        for name, tensor in ((name, tensor) for name, tensor in named if tensor is not None):
            bad = tensor[~tensor.isfinite()]
            if bad.numel():
                raise InvalidInputError(f"{name} must be finite, got {bad[0].item()} ({bad.numel()} bad in all).")
        if not bool((costs > 0.0).all()):
            raise InvalidInputError(f"costs must be above 0, the smallest is {costs.min().item()}.")
        if scale is not None and not bool(((scale > 0.0) & scale.isfinite()).all()):
            raise InvalidInputError(f"temperature must be finite and above 0, the smallest is {scale.min().item()}.")
        if isinstance(self.mechanism.supply, FixedSupply):
            if not bool((level >= 0.0).all()):
                raise InvalidInputError(f"supply must be 0 or more, the smallest is {level.min().item()}.")
            units = costs if mask is None else torch.where(mask, costs, 0.0)
            total = units.expand(broadcast_shape(units.shape, valuations.shape)).sum(-1)
            if not bool((level <= total * (1.0 + relative_tolerance(total.dtype))).all()):
                raise InfeasibleError(
                    f"supply must lie in [0, sum of costs]: got {level.min().item()} to "
                    f"{level.max().item()}, the smallest sum of costs is {total.min().item()}."
                )


def _level_of(mechanism: CapacityMarket) -> float:
    """Give the quantity of a fixed supply, or the posted price: the rules that compile."""
    match mechanism.supply:
        case FixedSupply(quantity=level) | PostedPrice(price=level):
            return level
    raise InvalidInputError(f"supply must be a FixedSupply or a PostedPrice here, got {mechanism.supply!r}.")


def _rate_of(mechanism: CapacityMarket) -> object:
    """Give the rates of a per-unit tax: the tax that compiles."""
    if isinstance(mechanism.tax, PerUnitTax):
        return mechanism.tax.rate
    raise InvalidInputError(f"tax must be a PerUnitTax here, got {mechanism.tax!r}.")


def _posted(
    allocation: Tensor, answerable: Tensor, costs: Tensor, price: Tensor, mask: Tensor | None
) -> OperatorClearing:
    """Pack the outcome of a posted price, spread over the batch; markets without an answer (...) become NaN."""
    answerable = answerable & price.isfinite()
    allocation = torch.where(answerable.unsqueeze(-1), allocation, torch.nan)
    shapes = [tensor.shape for tensor in (allocation, costs, mask) if tensor is not None]
    allocation = allocation.expand(broadcast_shape(*shapes))
    units = costs * allocation
    if mask is not None:
        allocation, units = torch.where(mask, allocation, 0.0), torch.where(mask, units, 0.0)
    sold = units.sum(-1)
    return OperatorClearing(allocation, torch.where(answerable, price, torch.nan).expand(sold.shape), sold)


def _check_broadcast(
    valuations: Tensor,
    costs: Tensor,
    level: Tensor,
    tax_rates: Tensor | None,
    scale: Tensor | None,
    mask: Tensor | None,
) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "valuations": valuations.shape,
        "costs": costs.shape,
        "supply": (*level.shape, 1),
    }
    if tax_rates is not None:
        shapes["tax"] = tax_rates.shape
    if scale is not None:
        shapes["temperature"] = (*scale.shape, 1)
    if mask is not None:
        shapes["mask"] = mask.shape
    try:
        shape = broadcast_shape(*shapes.values())
    except RuntimeError as error:
        listing = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise InvalidInputError(
            f"Shapes do not fit: {listing}. Agents are the last dimension; "
            "supply and temperature have one entry per market."
        ) from error
    if shape[-1] not in (valuations.shape[-1], costs.shape[-1]):
        longer = next(name for name, size in shapes.items() if size[-1] == shape[-1])
        raise InvalidInputError(f"{longer} has {shape[-1]} agents, valuations have {valuations.shape[-1]}.")
