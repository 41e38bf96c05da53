"""The arithmetic of meetings and taxes on whole cents: plain Python for one agent, compiled by numba for a million.

The functions of one meeting serve the object engine and, compiled, the columnar one; `walras.agents.wealth.rules` has
the same formulas for arrays, which serve where numba is not installed. The tests hold all of them to the same numbers.
"""

from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["FLOWS", "MONEY", "SAVING", "YARD_SALE", "collect", "meet", "money_flow", "saving_flow", "yard_sale_flow"]

MONEY, SAVING, YARD_SALE = 0, 1, 2


def money_flow(first: int, cents: int) -> int:
    """Give what the first agent pays (cents): a fixed amount, if it has it."""
    return cents if first >= cents else 0


def saving_flow(first: int, second: int, draw: float, spent: float) -> int:
    """Give what the first agent pays (cents): its stake less what it draws from the pool of both."""
    stake = round(spent * first)
    # The product stays below pool + 1: with draw <= 1 - 2**-53, it is short of it by more than half the spacing of
    # floats there, or exactly half of it where pool + 1 is a power of 2, below which floats are closer.
    return stake - int(draw * (stake + round(spent * second) + 1))


def yard_sale_flow(first: int, second: int, draw: float, fraction: float, poorer_wins: float) -> int:
    """Give what the first agent pays (cents): the stake, or minus the stake if it wins."""
    stake = round(fraction * min(first, second))
    first_wins = 0.5
    if first < second:
        first_wins = poorer_wins
    elif first > second:
        first_wins = 1.0 - poorer_wins
    return -stake if draw < first_wins else stake


def meet(wealth: IntArray, order: IntArray, draws: FloatArray, rule: int, amount: float, poorer_wins: float) -> None:
    """Let agents meet in pairs, and change `wealth` (cents, shape (n,)) in place.

    Parameters
    ----------
    wealth
        Cents, shape (n,).
    order
        The first agents of the k meetings and then the second ones, shape (2 k,) or longer.
    draws
        Shape (k,); empty if the rule needs none.
    rule, amount, poorer_wins
        Which rule, and its parameters: the cents given, the fraction spent, or the fraction at stake.
    """
    pairs = len(order) // 2
    for pair in range(pairs):
        first, second = order[pair], order[pairs + pair]
        if rule == MONEY:
            flow = money_flow(wealth[first], int(amount))
        elif rule == SAVING:
            flow = saving_flow(wealth[first], wealth[second], draws[pair], amount)
        else:
            flow = yard_sale_flow(wealth[first], wealth[second], draws[pair], amount, poorer_wins)
        wealth[first] -= flow
        wealth[second] += flow


def collect(wealth: IntArray, thresholds: IntArray, numerators: IntArray, denominator: int) -> int:
    """Take the tax of a bracket schedule from `wealth` (cents, shape (n,)) in place, and give what was taken (cents).

    Parameters
    ----------
    wealth
        Cents, shape (n,).
    thresholds
        Where each bracket begins (cents), rising, shape (K,); nothing is owed below the first.
    numerators, denominator
        Rates as fractions, the numerators of shape (K,). Twice the product of the largest wealth and numerator fits
        into int64.
    """
    revenue = 0
    for agent in range(len(wealth)):
        owned = wealth[agent]
        if owned <= thresholds[0]:
            continue
        numerator = 0
        for bracket in range(len(thresholds)):
            above = owned - thresholds[bracket]
            if above <= 0:
                break
            # What lies above a threshold pays the difference between the rates on its two sides.
            below = numerators[bracket - 1] if bracket > 0 else 0
            numerator += above * (numerators[bracket] - below)
        due = (2 * numerator + denominator) // (2 * denominator)  # half a cent up
        wealth[agent] -= due
        revenue += due
    return revenue


FLOWS = (money_flow, saving_flow, yard_sale_flow)
