"""An exchange economy of agents: a price that is called out, or trade by trade on a network."""

from walras.agents.exchange.bargaining import Bargain, GeometricMeanBargaining
from walras.agents.exchange.bilateral import BilateralEconomy
from walras.agents.exchange.consumers import Consumer
from walras.agents.exchange.goods import Warehouse
from walras.agents.exchange.meetings import draw_meetings
from walras.agents.exchange.walrasian import Auctioneer, CallStatus, WalrasianEconomy
from walras.agents.exchange.yardstick import Yardstick

__all__ = [
    "Auctioneer",
    "Bargain",
    "BilateralEconomy",
    "CallStatus",
    "Consumer",
    "GeometricMeanBargaining",
    "WalrasianEconomy",
    "Warehouse",
    "Yardstick",
    "draw_meetings",
]
