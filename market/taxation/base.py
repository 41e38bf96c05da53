"""What a tax is levied on."""

from enum import Enum

__all__ = ["Base"]


class Base(Enum):
    """The base of a tax: which amount of an agent it is computed from; the value says it in words."""

    INCOME = "the income of the period"
    WEALTH = "net wealth, which may be a debt"
    CONSUMPTION = "what is spent on consumption, before tax"
    TRADES = "the values bought and sold"
    HEAD = "nothing: every agent owes the same whatever it does"
