"""The mechanisms: how each sells compute to the agents of a model that is trained.

==============  =====================================================================================================
mechanism       the rule
==============  =====================================================================================================
`cap`           the budget is sold at one price: the frontier's method `market`. Payments at that price sum to the
                same whoever is served, so it is also the uniform-price auction with payments that are felt
`tax`           a Pigouvian tax: a price is posted before each step, at which the present bids buy the budget, and
                what agents pay counts in the loss
`collar`        a cap whose price may leave that of the step before only so far
`progressive`   a cap, and a tax on layers that use more than their part, in brackets; its revenue is rebated
`layers`        a cap and a market for each layer, which all sell the same fraction
`vickrey`       a cap, at which each agent pays what the others would make of its units, and that counts in the loss
==============  =====================================================================================================

In all of them the path of the budget, demand, temperature, first valuations and learning are the same, and at the end
of the search whole agents are served up to the budget in order of their valuations (under `layers`, in each layer), so
that scores are of equal FLOPs.
"""

from dataclasses import replace

from walras.llm import ConcentrationTax, EconomyConfig
from walras.llm.ensemble import Instrument, PivotPayments, RepostedPrice, TrackingCollar
from walras.market.taxation import BracketTax

__all__ = ["CAP", "MECHANISMS", "VICKREY", "economy_config", "instrument_of", "tax_on_layers"]

CAP, TAX, COLLAR, PROGRESSIVE, LAYERS, VICKREY = "cap", "tax", "collar", "progressive", "layers", "vickrey"
MECHANISMS = (CAP, TAX, COLLAR, PROGRESSIVE, LAYERS, VICKREY)


def tax_on_layers(rate: float) -> BracketTax:
    """Give the progressive tax on a layer's use, 1 being its part: `rate` above that, and from 1.5 on twice as much."""
    return BracketTax([1.0, 1.5], [0.0, rate, 2.0 * rate])


def economy_config(mechanism: str, base: EconomyConfig, *, tax_rate: float) -> EconomyConfig:
    """Give how the stack's compute is rationed under a mechanism."""
    if mechanism == PROGRESSIVE:
        return replace(base, concentration=ConcentrationTax(tax_on_layers(tax_rate)), rebate=True)
    return replace(base, scope="layer") if mechanism == LAYERS else base


def instrument_of(mechanism: str, *, collar: float) -> Instrument | None:
    """Give what stands in place of the gate's own rules, if anything does."""
    match mechanism:
        case "tax":
            return RepostedPrice()
        case "collar":
            return TrackingCollar(collar)
        case "vickrey":
            return PivotPayments()
    return None
