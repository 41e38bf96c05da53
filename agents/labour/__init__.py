"""A labour market under a tax code: households choose how much to work."""

from walras.agents.labour.accounts import Firm, Household
from walras.agents.labour.beliefs import Belief, revised_belief
from walras.agents.labour.benefits import MeansTestedBenefit
from walras.agents.labour.budget import Benefit, BudgetSet, IncomeTax, Piece, budget_set
from walras.agents.labour.bunching import bunching_elasticity, bunching_interval
from walras.agents.labour.choice import chosen_income
from walras.agents.labour.closed_forms import (
    flat_tax_loss,
    flat_tax_revenue,
    income_elasticity_in_equilibrium,
    income_weight,
    optimal_flat_rate,
    top_bracket_objective,
)
from walras.agents.labour.columnar import ColumnarLabourEconomy
from walras.agents.labour.economy import LabourEconomy
from walras.agents.labour.outcome import LabourOutcome, labour_outcome, social_welfare
from walras.agents.labour.preferences import Preferences, QuasiLinearPreferences, SeparablePreferences
from walras.agents.labour.rules import LabourExpectations, LabourRules, PublicGood, PublicSpending
from walras.agents.labour.skill_tails import LognormalParetoSkills, ParetoLognormalSkills
from walras.agents.labour.skills import EmpiricalSkills, LognormalSkills, ParetoSkills, SkillLaw
from walras.agents.labour.tables import HOUSEHOLD_COLUMNS, PERIOD_COLUMNS
from walras.agents.labour.technology import CobbDouglasTechnology, LinearTechnology, Technology

__all__ = [
    "HOUSEHOLD_COLUMNS",
    "PERIOD_COLUMNS",
    "Belief",
    "Benefit",
    "BudgetSet",
    "CobbDouglasTechnology",
    "ColumnarLabourEconomy",
    "EmpiricalSkills",
    "Firm",
    "Household",
    "IncomeTax",
    "LabourEconomy",
    "LabourExpectations",
    "LabourOutcome",
    "LabourRules",
    "LinearTechnology",
    "LognormalParetoSkills",
    "LognormalSkills",
    "MeansTestedBenefit",
    "ParetoLognormalSkills",
    "ParetoSkills",
    "Piece",
    "Preferences",
    "PublicGood",
    "PublicSpending",
    "QuasiLinearPreferences",
    "SeparablePreferences",
    "SkillLaw",
    "Technology",
    "budget_set",
    "bunching_elasticity",
    "bunching_interval",
    "chosen_income",
    "flat_tax_loss",
    "flat_tax_revenue",
    "income_elasticity_in_equilibrium",
    "income_weight",
    "labour_outcome",
    "optimal_flat_rate",
    "revised_belief",
    "social_welfare",
    "top_bracket_objective",
]
