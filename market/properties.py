"""The properties that a mechanism can have, by name.

A mechanism declares what it claims in `declared_properties`; `walras.market.testing` proves the claims by search and
finds counterexamples to the rest. This module only names them, so that the engine needs no testing library.
"""

from enum import Enum

__all__ = ["Property"]


class Property(Enum):
    """One property; the value is its definition in a sentence."""

    FEASIBLE = "no more is allocated than there is, and nobody gets less than nothing"
    CONSERVES = "what is sold equals what is bought, unit for unit"
    INDIVIDUALLY_RATIONAL = "nobody who reports truthfully is worse off than by staying out"
    WEAKLY_BUDGET_BALANCED = "payments received by the mechanism are never below what it pays out"
    STRONGLY_BUDGET_BALANCED = "payments received by the mechanism equal what it pays out"
    MONOTONE = "who reports a higher value never gets less"
    ANONYMOUS = "renaming the agents renames the outcome, and changes nothing else"
    SCALE_FREE = "measuring money in another unit changes the unit of payments, and nothing else"
    STRATEGY_PROOF = "nobody can gain by a report other than the truth, whatever the others report"
    EFFICIENT = "no feasible allocation has a larger sum of reported values"
    ENVY_FREE = "nobody would rather have another's allocation at the other's payment"
    PARETO_EFFICIENT = "no feasible allocation makes somebody better off and nobody worse off"
    WALRAS_LAW = "the value of excess demand is zero at all prices"
    HOMOGENEOUS = "multiplying all prices by one number leaves excess demand as it is"
    IN_THE_CORE = "no group can do better for all its members by itself"
    COMPLEMENTARY_SLACKNESS = "what has a positive price is used up, and only the best buys are bought"
    CONVERGES = "the price adjustment ends at an equilibrium, from every start"
