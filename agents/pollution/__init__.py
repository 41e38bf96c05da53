"""Firms that pollute, and the instruments against it: a Pigouvian tax, a cap with permits, or both."""

from walras.agents.pollution.damage import Damage
from walras.agents.pollution.economy import Firm, PollutionEconomy
from walras.agents.pollution.industry import Industry
from walras.agents.pollution.instruments import EmissionsTax, Instrument, NoRegulation, PermitCap, PermitCollar
from walras.agents.pollution.optimal import best_cap, best_collar, best_tax, expected_loss, price_advantage
from walras.agents.pollution.outcomes import PollutionOutcomes, first_best_welfare, pollution_outcomes

__all__ = [
    "Damage",
    "EmissionsTax",
    "Firm",
    "Industry",
    "Instrument",
    "NoRegulation",
    "PermitCap",
    "PermitCollar",
    "PollutionEconomy",
    "PollutionOutcomes",
    "best_cap",
    "best_collar",
    "best_tax",
    "expected_loss",
    "first_best_welfare",
    "pollution_outcomes",
    "price_advantage",
]
