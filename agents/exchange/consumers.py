"""Consumers as agents: who they are, what they own."""

from typing import final

from walras.agents.adapter import Agent, Model
from walras.agents.exchange.goods import Warehouse
from walras.agents.money import IntArray

__all__ = ["Consumer"]


@final
class Consumer(Agent):
    """A consumer, who owns goods in a warehouse and knows what they are worth to it.

    Attributes
    ----------
    number
        Its row in the economy, from 0.
    """

    def __init__(self, model: Model, warehouse: Warehouse, *, number: int) -> None:
        super().__init__(model)
        self.number = number
        self._warehouse = warehouse

    @property
    def units(self) -> IntArray:
        """What it owns of each good (whole units), shape (m,)."""
        return self._warehouse.units[self.number]
