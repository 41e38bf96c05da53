"""How the frontier's method `market` is made, beside what a configuration says: the defaults are the method."""

from dataclasses import dataclass, field
from typing import final

from walras.llm import EconomyConfig
from walras.llm.baselines.methods import Market

__all__ = ["Design"]


@final
@dataclass(frozen=True)
class Design:
    """How our method, and the two phases of one that searches, are made.

    Attributes
    ----------
    market
        First valuations, the way of the budget, and temperature.
    economy
        Who the agents are and how fast valuations learn; the length at which they are costed is the task's.
    learned
        Whether valuations are learned in the search, or stay what they are at first.
    whole
        Whether the search serves whole agents forwards, with the soft market's gradient backwards.
    restarts
        Whether the learning rate of the recovery begins anew, with a warm-up, or goes on falling.
    task_weight
        Of the labels, beside the teacher (see `Distillation`).
    """

    market: Market = field(default_factory=Market)
    economy: EconomyConfig = field(default_factory=EconomyConfig)
    learned: bool = True
    whole: bool = False
    restarts: bool = True
    task_weight: float = 1.0
