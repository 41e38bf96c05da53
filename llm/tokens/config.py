"""How the processing of a model's tokens is to be rationed."""

from dataclasses import dataclass, field, replace
from typing import final

from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand, PerUnitTax
from walras.market.validation import boolean, finite_number, whole_number

__all__ = ["BUYERS", "EVERYONE", "VISIBLE", "TokenConfig", "checked_capacities"]

EVERYONE, BUYERS = "everyone", "buyers"
VISIBLE = (EVERYONE, BUYERS)


@final
@dataclass(frozen=True)
class TokenConfig:
    """How many tokens of a sequence a layer may process, and how they compete for it.

    Parameters
    ----------
    layers
        Numbers of the layers that are for sale, from 0, ascending; None takes every second layer, beginning with the
        second. The others process every token.
    capacity
        Fraction of a sequence's real tokens that a layer sells, in [0, 1]: one for all `layers`, or one for each.
    mechanism
        A capacity market with smooth demand, a `FixedSupply` and no tax. Each token costs one unit; the quantity is
        replaced by the capacity. With `free_disposal=True` tokens that are worth less than nothing stay out even
        where there is room.
    visible
        Whose keys and values a buyer sees at the layer: `"everyone"` (tokens that do not buy still write keys and
        values, which are charged) or `"buyers"` (those that do not buy are absent from the layer's attention).
    straight_through
        Serve whole tokens in training too, with the gradients of smooth demand: biased, but the model then trains on
        what it computes in evaluation.
    price_momentum
        How slowly the price that a causal model posts follows the prices of training, in [0, 1).
    room
        Of a causal model in evaluation, which sells to all who bid the posted price: a bound, in (0, 1]. Of the first t
        tokens of a pass no more than `max(64, ceil(room t))` buy, those that come first. The number of places is then
        known before anyone bids, so that nothing waits for the device, and the model can be compiled whole or captured
        in a CUDA graph. Somewhat above the capacity it seldom binds. None bounds nothing.
    """

    layers: tuple[int, ...] | None = None
    capacity: float | tuple[float, ...] = 0.5
    mechanism: CapacityMarket = field(default_factory=lambda: CapacityMarket(FixedSupply(0.5), LogitDemand(0.25)))
    visible: str = EVERYONE
    straight_through: bool = False
    price_momentum: float = 0.99
    room: float | None = None

    def __post_init__(self) -> None:
        if self.layers is not None:
            object.__setattr__(self, "layers", _layers(self.layers))
        capacities = self.capacity if isinstance(self.capacity, tuple | list) else (self.capacity,)
        if len(capacities) > 1 and (self.layers is None or len(capacities) != len(self.layers)):
            raise InvalidInputError(
                f"TokenConfig.capacity has {len(capacities)} numbers for layers {self.layers!r}: give one number for "
                "all, or name the layers and give one for each."
            )
        checked = checked_capacities(tuple(capacities), len(capacities))
        object.__setattr__(self, "capacity", checked if isinstance(self.capacity, tuple | list) else checked[0])
        _check_mechanism(self.mechanism)
        if self.visible not in VISIBLE:
            raise InvalidInputError(f"TokenConfig.visible must be one of {list(VISIBLE)}, got {self.visible!r}.")
        boolean("TokenConfig.straight_through", self.straight_through)
        if not 0.0 <= finite_number("TokenConfig.price_momentum", self.price_momentum) < 1.0:
            raise InvalidInputError(f"TokenConfig.price_momentum must lie in [0, 1), got {self.price_momentum}.")
        if self.room is not None and not 0.0 < finite_number("TokenConfig.room", self.room) <= 1.0:
            raise InvalidInputError(f"TokenConfig.room must be None or lie in (0, 1], got {self.room}.")

    def for_layers(self, number: int) -> "TokenConfig":
        """Give the same with layers named, for a model of so many layers; raise if it lacks one of them."""
        layers = tuple(range(1, number, 2)) if self.layers is None else self.layers
        if not layers or layers[-1] >= number:
            raise InvalidInputError(
                f"TokenConfig.layers must lie in 0..{number - 1}, the model's layers, and name at least one; got "
                f"{layers}."
            )
        return replace(self, layers=layers)


def checked_capacities(capacity: float | tuple[float, ...], layers: int) -> tuple[float, ...]:
    """Give one fraction in [0, 1] for each layer, or raise `InvalidInputError`."""
    given = tuple(capacity) if isinstance(capacity, tuple | list) else (capacity,) * layers
    if len(given) != layers:
        raise InvalidInputError(f"capacity has {len(given)} numbers for {layers} layers: give one, or one for each.")
    numbers = tuple(finite_number("capacity", each) for each in given)
    for number in numbers:
        if not 0.0 <= number <= 1.0:
            raise InvalidInputError(f"capacity is a fraction of a sequence's tokens, in [0, 1]; got {number}.")
    return numbers


def _layers(layers: object) -> tuple[int, ...]:
    if isinstance(layers, str) or not isinstance(layers, tuple | list | range) or not layers:
        raise InvalidInputError(f"TokenConfig.layers must be a tuple of numbers of layers, got {layers!r}.")
    numbers = tuple(whole_number("TokenConfig.layers", layer, minimum=0) for layer in layers)
    if list(numbers) != sorted(set(numbers)):
        raise InvalidInputError(f"TokenConfig.layers must be ascending, each once; got {numbers}.")
    return numbers


def _check_mechanism(mechanism: object) -> None:
    if not isinstance(mechanism, CapacityMarket):
        raise InvalidInputError(f"TokenConfig.mechanism must be a CapacityMarket, got {mechanism!r}.")
    if not isinstance(mechanism.supply, FixedSupply):
        raise InvalidInputError(
            f"TokenConfig.mechanism must have a FixedSupply, got {mechanism.supply!r}: a layer sells a capacity; the "
            "price that a causal model posts is learned from it."
        )
    if not isinstance(mechanism.demand, LogitDemand | LinearDemand):
        raise InvalidInputError(
            "TokenConfig.mechanism must have smooth demand (LogitDemand or LinearDemand), which bidders can learn "
            f"from; got {mechanism.demand!r}. In evaluation whole tokens are served anyway."
        )
    if mechanism.tax != PerUnitTax():
        raise InvalidInputError(
            f"TokenConfig.mechanism must have no tax, got {mechanism.tax!r}: one rate for all tokens moves the price "
            "and nothing else."
        )
