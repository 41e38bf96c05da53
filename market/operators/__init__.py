"""Compiled mechanisms: the engine's rules as differentiable, batched torch operators."""

from walras.market.operators.capacity import OperatorClearing, capacity_allocation
from walras.market.operators.compile import CapacityOperator, compile_mechanism
from walras.market.operators.step import step_allocation

__all__ = ["CapacityOperator", "OperatorClearing", "capacity_allocation", "compile_mechanism", "step_allocation"]
