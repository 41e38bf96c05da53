"""The economies that the dashboard shows: one module describes each."""

from collections.abc import Mapping
from types import MappingProxyType

from walras.simulations.dashboard.economies.compute import COMPUTE
from walras.simulations.dashboard.economies.double_auction import DOUBLE_AUCTION
from walras.simulations.dashboard.economies.exchange import EXCHANGE
from walras.simulations.dashboard.economies.labour import LABOUR
from walras.simulations.dashboard.economies.pollution import POLLUTION
from walras.simulations.dashboard.economies.wealth_exchange import WEALTH_EXCHANGE
from walras.simulations.dashboard.live_economy import LiveEconomy

__all__ = ["ECONOMIES"]

ECONOMIES: Mapping[str, LiveEconomy] = MappingProxyType(
    {economy.name: economy for economy in (DOUBLE_AUCTION, EXCHANGE, LABOUR, WEALTH_EXCHANGE, POLLUTION, COMPUTE)}
)
"""Each economy by its name, in the order of the menu."""
