"""The variants of the method `market`: each changes one thing, and says which."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import final

from walras.llm import EconomyConfig
from walras.llm.architectures import ATTENTION, FFN
from walras.llm.baselines.methods import Market
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.evidence.design import Design

__all__ = ["AS_IT_IS", "VARIANTS", "Variant"]

AS_IT_IS = "as-it-is"

_MARKET, _ECONOMY = Market(), EconomyConfig()


@final
@dataclass(frozen=True)
class Variant:
    """One way to make the method `market`.

    Attributes
    ----------
    part
        The part of the method that is changed, in a word.
    change
        What is changed, in a phrase.
    design
        How the method is then made.
    search
        Fraction of the steps that the search then has, in (0, 1]; None for the configuration's.
    distils
        Whether the dense model's logits are learned from, with the configuration's weight.
    """

    part: str
    change: str
    design: Design = field(default_factory=Design)
    search: float | None = None
    distils: bool = True

    def config(self, frontier: FrontierConfig) -> FrontierConfig:
        """Give the configuration of the method as it stands with what the variant changes in it."""
        search = frontier.search if self.search is None else self.search
        return replace(frontier, search=search, logits_weight=frontier.logits_weight if self.distils else 0.0)


def _temperature(factor: float) -> Design:
    """Both ends of the cooling times a factor."""
    first, last = factor * _MARKET.temperature, factor * _MARKET.final_temperature
    return Design(market=replace(_MARKET, temperature=first, final_temperature=last))


def _start(start: str) -> Design:
    return Design(market=replace(_MARKET, start=start))


def _gain(factor: float) -> Design:
    return Design(economy=replace(_ECONOMY, valuation_gain=factor * _ECONOMY.valuation_gain))


def _blocks(width: int) -> Design:
    return Design(economy=replace(_ECONOMY, block_width=width))


_WIDTH = _ECONOMY.block_width
_WHOLE = Design(economy=replace(_ECONOMY, agents=(ATTENTION, FFN)))

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        AS_IT_IS: Variant("", "nothing"),
        "hot": Variant("temperature", "temperature times 4", _temperature(4.0)),
        "cold": Variant("temperature", "temperature times 1/4", _temperature(0.25)),
        "no-schedule": Variant("schedule", "the target from the first step", Design(replace(_MARKET, reached=0.0))),
        "long-schedule": Variant(
            "schedule", "the target at the end of the search", Design(replace(_MARKET, reached=1.0))
        ),
        "equal-start": Variant("valuations", "all equal at first", _start("equal")),
        "lot-start": Variant("valuations", "by lot at first", _start("lot")),
        "cost-blind-start": Variant("valuations", "at first by contribution, not per cost", _start("contribution")),
        "frozen": Variant("valuations", "not learned: they stay as they are at first", Design(learned=False)),
        "whole": Variant("valuations", "whole agents forwards, the soft market backwards", Design(whole=True)),
        "slow-valuations": Variant("valuations", "learned at a quarter of the rate", _gain(0.25)),
        "fast-valuations": Variant("valuations", "learned at four times the rate", _gain(4.0)),
        "narrow-blocks": Variant("granularity", f"blocks of {_WIDTH // 2} neurons, not {_WIDTH}", _blocks(_WIDTH // 2)),
        "wide-blocks": Variant("granularity", f"blocks of {2 * _WIDTH} neurons, not {_WIDTH}", _blocks(2 * _WIDTH)),
        "sublayers": Variant("granularity", "whole attentions and feed-forward networks", _WHOLE),
        "no-distillation": Variant("distillation", "labels alone", distils=False),
        "distillation-only": Variant("distillation", "the dense model's logits alone", Design(task_weight=0.0)),
        "short-search": Variant("recovery", "30 % of the steps search", search=0.3),
        "long-search": Variant("recovery", "80 % of the steps search", search=0.8),
        "one-rate": Variant("recovery", "the learning rate goes on falling, not anew", Design(restarts=False)),
        "no-recovery": Variant("recovery", "all steps search", search=1.0),
    }
)
