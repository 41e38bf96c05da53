"""The agents of a Transformer as a table: who they are, what a unit of compute is worth to each, how much each uses.

==================  ========  ====================================================================================
column              dtype     meaning
==================  ========  ====================================================================================
kind                category  `head` (attention head or key-value group) or `neuron_block`
layer, index        int64     layer from 0, and number within the layer's heads or blocks, from 0
valuation           float64   money per unit of compute, >= 0; on the whole, where it changes from period to period
cost                float64   units of compute when fully served, > 0
wealth_cents        int64     what the agent owns at first, >= 0; optional
==================  ========  ====================================================================================

Without `wealth_cents` each agent owns ten times what its full use is worth to it, `10 * valuation * cost` rounded up to
a cent, so that it can live through some losses before wealth holds down its bids. Further columns are not used.
`walras.llm.ModelEconomy.frame()` is such a table, but that its valuations may be negative: `load_population` shifts
them.
"""

import numpy as np
import pandas as pd

from walras.agents.money import MOST_CENTS, IntArray, whole_cents
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, finite_vector, positive_number, positive_vector

__all__ = ["HEAD", "KINDS", "NEURON_BLOCK", "checked_population", "synthetic_population"]

HEAD, NEURON_BLOCK = "head", "neuron_block"
KINDS = (HEAD, NEURON_BLOCK)

_REQUIRED = ("kind", "layer", "index", "valuation", "cost")
_FULL_USES_OWNED = 10


def checked_population(population: pd.DataFrame, *, cents_per_money: int = 100) -> pd.DataFrame:
    """Give a copy of `population` with the columns and dtypes above, rows in the order given and numbered from 0.

    Parameters
    ----------
    population
        A row per agent.
    cents_per_money
        Cents in the unit of money of valuations.

    Raises
    ------
    InvalidInputError
        Not a table, missing columns, no rows, an unknown kind, an agent that appears twice, numbers that are not finite
        or of the wrong sign, or values so small that cents cannot express them.
    """
    if not isinstance(population, pd.DataFrame):
        raise InvalidInputError(f"population must be a pandas DataFrame, got {type(population).__name__}.")
    missing = [column for column in _REQUIRED if column not in population.columns]
    if missing:
        raise InvalidInputError(f"population lacks the columns {missing}; it needs {list(_REQUIRED)}.")
    if population.empty:
        raise InvalidInputError("population has no rows: an economy needs at least one agent.")
    valuations = _valuations(population)
    costs = positive_vector("population['cost']", population["cost"].to_numpy())
    checked = pd.DataFrame(
        {
            "kind": _kinds(population),
            "layer": _whole_numbers(population, "layer"),
            "index": _whole_numbers(population, "index"),
            "valuation": valuations,
            "cost": costs,
        }
    )
    twice = checked.duplicated(["kind", "layer", "index"])
    if twice.any():
        agent = checked[twice].iloc[0]
        raise InvalidInputError(
            f"population holds {agent['kind']} {agent['index']} of layer {agent['layer']} twice ({twice.sum()} such in "
            "all): each kind, layer and index must be one agent."
        )

    value_cents = _value_cents(valuations, costs, cents_per_money)
    if "wealth_cents" in population.columns:
        wealth = _whole_numbers(population, "wealth_cents")
    else:
        wealth = np.ceil(_FULL_USES_OWNED * value_cents).astype(np.int64)
    whole_cents("The wealth of all agents", sum(wealth.tolist()))
    return checked.assign(wealth_cents=wealth)


def synthetic_population(
    layers: int,
    heads: int,
    blocks: int,
    rng: np.random.Generator | int,
    *,
    head_cost: float = 2.0,
    block_cost: float = 1.0,
    median_valuation: float = 10.0,
    log_spread: float = 1.0,
) -> pd.DataFrame:
    """Draw a population with lognormal valuations: `v = median_valuation * exp(log_spread * z)`, z standard normal.

    Parameters
    ----------
    layers
        Layers, 1 or more.
    heads, blocks
        Attention heads and neuron blocks in each layer, 0 or more, not both 0.
    rng
        A generator, or an integer that seeds one.
    head_cost, block_cost
        Units of compute that one head or block uses. At 128 tokens a head of BERT-base costs 2.2 blocks of 64 neurons.
    median_valuation
        Money per unit of compute.
    log_spread
        Standard deviation of the logarithm of valuations, >= 0; 1 makes their Gini coefficient 0.52.

    Returns
    -------
    DataFrame
        Layer by layer, heads before blocks, with the columns of the module's header but `wealth_cents`.

    Raises
    ------
    InvalidInputError
        Counts that are not whole or make no agent; costs, valuations or a spread of the wrong sign, or too large.
    """
    for name, count, least in (("layers", layers, 1), ("heads", heads, 0), ("blocks", blocks, 0)):
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < least:
            raise InvalidInputError(f"{name} must be a whole number of {least} or more, got {count!r}.")
    if heads + blocks == 0:
        raise InvalidInputError("heads and blocks are both 0: an economy needs at least one agent.")
    spread = finite_number("log_spread", log_spread)
    if spread < 0.0:
        raise InvalidInputError(f"log_spread must be 0 or more, got {spread}.")

    kinds = np.tile(np.repeat(KINDS, [heads, blocks]), layers)
    costs = np.where(kinds == HEAD, positive_number("head_cost", head_cost), positive_number("block_cost", block_cost))
    normal = np.random.default_rng(rng).standard_normal(kinds.size)
    with np.errstate(over="ignore"):
        valuations = positive_number("median_valuation", median_valuation) * np.exp(spread * normal)
    return pd.DataFrame(
        {
            "kind": pd.Categorical(kinds, categories=list(KINDS)),
            "layer": np.repeat(np.arange(layers, dtype=np.int64), heads + blocks),
            "index": np.tile(np.concatenate([np.arange(heads), np.arange(blocks)]).astype(np.int64), layers),
            "valuation": finite_vector("The valuations drawn", valuations),
            "cost": costs,
        }
    )


def _kinds(population: pd.DataFrame) -> pd.Categorical:
    unknown = ~population["kind"].isin(KINDS).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        raise InvalidInputError(
            f"population['kind'] must be one of {list(KINDS)}: row {row} is {population['kind'].iloc[row]!r} "
            f"({unknown.sum()} bad in all)."
        )
    return pd.Categorical(population["kind"], categories=list(KINDS))


def _valuations(population: pd.DataFrame) -> FloatArray:
    valuations = finite_vector("population['valuation']", population["valuation"].to_numpy())
    lowest = int(valuations.argmin())
    if valuations[lowest] < 0.0:
        raise InvalidInputError(
            f"population['valuation'] must be 0 or more, since agents earn valuation times use: row {lowest} is "
            f"{valuations[lowest]}. Subtract the lowest from all, as load_population does: at a fixed supply that "
            "moves the price, and leaves the allocation as it is."
        )
    return valuations


def _whole_numbers(population: pd.DataFrame, column: str) -> IntArray:
    values = finite_vector(f"population[{column!r}]", population[column].to_numpy())
    bad = np.flatnonzero((values < 0.0) | (values > MOST_CENTS) | (values != np.floor(values)))
    if bad.size:
        raise InvalidInputError(
            f"population[{column!r}] must hold whole numbers from 0 to {MOST_CENTS:.0e}: row {bad[0]} is "
            f"{values[bad[0]]} ({bad.size} bad in all)."
        )
    return values.astype(np.int64)


def _value_cents(valuations: FloatArray, costs: FloatArray, cents_per_money: int) -> FloatArray:
    """Worth of the full use of each agent (cents), shape (n,)."""
    with np.errstate(over="ignore"):
        value_cents = cents_per_money * valuations * costs
        total = float(np.sum(value_cents))
    if total < value_cents.size:
        raise InvalidInputError(
            f"The full use of the mean agent is worth {total / value_cents.size:.3g} cents: too little to be paid in "
            "whole cents. Raise cents_per_money (costs that are shares of a whole need about a million), or valuations."
        )
    if total > MOST_CENTS:
        raise InvalidInputError(
            f"The full use of all agents is worth {total:.3g} cents, above {MOST_CENTS:.0e}: too much to be settled "
            "exactly. Lower cents_per_money, or the valuations."
        )
    return value_cents
