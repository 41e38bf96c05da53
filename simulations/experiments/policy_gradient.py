"""A tax schedule tuned by gradient ascent through the simulation, against a grid search and Saez's formula.

Households of isoelastic labour supply have lognormal skills with a Pareto tail. A schedule of marginal rates that rise
from bracket to bracket is due, and what is raised is shared out in equal parts. Social welfare is the equally
distributed equivalent of utilities. Two governments look for the rates that make it largest:

- one tries every schedule of a grid;
- one follows the gradient of welfare with respect to all rates, `walras.market.operators.simulation.simulate_labour`
  being differentiable from end to end, by Adam on the logits of the rises `(r_k - r_(k-1)) / (1 - r_(k-1))`.

At an optimum the top rate is Saez's `(1 - g) / (1 - g + a e)`, with a the Pareto parameter of incomes above the top
threshold and g the mean social weight of a unit there, both as they are at the optimum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from numpy.random import Generator

from walras.agents.labour import LognormalParetoSkills
from walras.market.errors import InvalidInputError
from walras.market.taxation import BracketTax, pareto_parameter, top_tax_rate
from walras.market.validation import FloatArray, positive_number, whole_number
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "FORMULA", "GRADIENT", "GRID", "Config"]

GRADIENT, GRID, FORMULA = "gradient", "grid", "formula"
_MEDIAN_SKILL = 1000.0
_TAIL = 2.0  # the Pareto tail begins where so many times the share in the top bracket is above
_HIGHEST = 0.95  # of the rates on the grid
_FIRST_LOGIT = -3.0  # of each rise of the rate: hardly a tax to begin with
_ROWS = 64  # schedules of the grid that are simulated at a time


@final
@dataclass(frozen=True, kw_only=True)
class Config:
    """The households, the brackets, and how the two governments search.

    Parameters
    ----------
    elasticity
        e, of taxable income to the net-of-tax rate, above 0.
    pareto
        a, Pareto parameter of top incomes, above 1.
    aversion
        Of society to inequality of utilities, above 0.
    bracket_tops
        Shares of households below each threshold if there is no tax, rising, in (0, 1).
    log_spread
        Of skills below the tail: standard deviation of their logarithm, above 0.
    households
        Number of households, 100 or more, one from each of as many equal parts of the law.
    grid_points
        Rates on the grid for each bracket, from 0 to 0.95, 3 or more.
    steps
        Steps of gradient ascent, 1 or more.
    learning_rate
        Of the first step, falling to a hundredth of it at the last; above 0.
    """

    elasticity: float = 0.5
    pareto: float = 2.0
    aversion: float = 1.0
    bracket_tops: tuple[float, ...] = (0.4, 0.9)
    log_spread: float = 0.6
    households: int = 2_000
    grid_points: int = 20
    steps: int = 50
    learning_rate: float = 0.6

    def __post_init__(self) -> None:
        for name in ("elasticity", "pareto", "aversion", "log_spread", "learning_rate"):
            positive_number(f"Config.{name}", getattr(self, name))
        if self.pareto <= 1.0:
            raise InvalidInputError(f"Config.pareto must be above 1, or top incomes have no mean; got {self.pareto}.")
        tops = self.bracket_tops
        if not tops or any(not 0.0 < low < high for low, high in zip(tops, (*tops[1:], 1.0), strict=True)):
            raise InvalidInputError(f"Config.bracket_tops must rise, within (0, 1); got {tops}.")
        if tops[-1] < 1.0 - 1.0 / _TAIL:
            raise InvalidInputError(f"Config.bracket_tops must end at 0.5 or more, within the tail; got {tops}.")
        whole_number("Config.households", self.households, minimum=100)
        whole_number("Config.grid_points", self.grid_points, minimum=3)
        whole_number("Config.steps", self.steps, minimum=1)

    @property
    def skills(self) -> LognormalParetoSkills:
        """The law of skills; incomes have the parameter a, so skills have `a (1 + e)`."""
        return LognormalParetoSkills(
            median=_MEDIAN_SKILL,
            log_spread=self.log_spread,
            top_share=_TAIL * (1.0 - self.bracket_tops[-1]),
            shape=self.pareto * (1.0 + self.elasticity),
        )

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Where the brackets after the first begin (money).

        What a household of that rank earns at a net-of-tax rate of one half, so that the top is not left empty.
        """
        skills = self.skills.quantile(list(self.bracket_tops))
        return tuple((skills ** (1.0 + self.elasticity) * 0.5**self.elasticity).tolist())


def run(config: Config, rng: Generator) -> Tables:
    """Give `ascent` (a row per step), `schedules` (rates per bracket and way) and `optima` (a row per way)."""
    places = (np.arange(config.households) + np.maximum(rng.random(config.households), 1e-12)) / config.households
    government = _Government(config, config.skills.quantile(np.minimum(places, 1.0 - 2.0**-53)))
    grid_rates, grid_tried = government.search()
    path = government.ascend()
    found = {GRADIENT: (path[-1][0], config.steps), GRID: (grid_rates, grid_tried)}
    ascent, schedules, optima = [], [], []
    for step, (rates, welfare) in enumerate(path):
        ascent.append({"step": step, "welfare": welfare, "top_rate": float(rates[-1]), "first_rate": float(rates[0])})
    for way, (rates, tried) in found.items():
        there = government.look(rates)
        optima.append({"way": way, "evaluations": tried, "top_rate": float(rates[-1]), **there})
        for bracket, rate in enumerate(rates.tolist()):
            start = 0.0 if bracket == 0 else config.thresholds[bracket - 1]
            schedules.append({"way": way, "bracket": bracket, "start": start, "rate": rate})
    return {
        "ascent": pd.DataFrame(ascent),
        "schedules": pd.DataFrame(schedules),
        "optima": pd.DataFrame(optima),
    }


@final
class _Government:
    """Simulates schedules on one population."""

    def __init__(self, config: Config, skills: FloatArray) -> None:
        import torch

        self._config = config
        self._skills = torch.from_numpy(skills).unsqueeze(0)
        self._tax = BracketTax(config.thresholds, [0.5] * (len(config.thresholds) + 1))

    def welfare(self, rates: "torch.Tensor") -> "torch.Tensor":
        """Welfare of each schedule (money), shape (schedules,); rates (schedules, K)."""
        from walras.market.operators.simulation import simulate_labour

        skills = self._skills.expand(rates.shape[0], -1)
        config = self._config
        return simulate_labour(
            skills, tax=self._tax, rates=rates, elasticity=config.elasticity, aversion=config.aversion
        ).welfare[0]

    def search(self) -> tuple[FloatArray, int]:
        """Try every schedule of the grid whose rates do not fall; give the best, and how many were tried."""
        import torch

        levels = np.linspace(0.0, _HIGHEST, self._config.grid_points).tolist()
        schedules = torch.tensor(
            list(combinations_with_replacement(levels, np.size(self._tax.rates))), dtype=torch.float64
        )
        welfare = torch.cat([self.welfare(rows) for rows in schedules.split(_ROWS)])
        return schedules[int(welfare.argmax())].numpy(), len(schedules)

    def ascend(self) -> list[tuple[FloatArray, float]]:
        """Give rates and welfare before each step of gradient ascent, and after the last."""
        import torch

        config = self._config
        logits = torch.full((np.size(self._tax.rates),), _FIRST_LOGIT, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.Adam([logits], lr=config.learning_rate, betas=(0.5, 0.8))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimiser, config.steps, eta_min=0.01 * config.learning_rate
        )
        path = []
        for step in range(config.steps + 1):
            left = (1.0 - torch.sigmoid(logits)).cumprod(0)  # of the next unit of income, bracket by bracket
            welfare = self.welfare((1.0 - left).unsqueeze(0))[0]
            path.append((1.0 - left.detach().numpy(), float(welfare.detach())))
            if step < config.steps:
                optimiser.zero_grad()
                (-welfare / _MEDIAN_SKILL).backward()
                optimiser.step()
                schedule.step()
        return path

    def look(self, rates: FloatArray) -> dict[str, float]:
        """Welfare of a schedule and of no tax (money), and Saez's formula with a and g as they are under it."""
        import torch

        from walras.market.operators.simulation import simulate_labour

        config = self._config
        outcome = simulate_labour(
            self._skills,
            tax=self._tax,
            rates=torch.from_numpy(rates.copy()),
            elasticity=config.elasticity,
            aversion=config.aversion,
        )
        incomes, utilities = outcome.income[0].numpy(), outcome.utility[0].numpy()
        threshold = config.thresholds[-1]
        above = np.maximum(incomes - threshold, 0.0)
        worth = utilities**-config.aversion
        weight = float((worth * above).sum() / (worth.mean() * above.sum())) if above.any() else 1.0
        pareto = pareto_parameter(incomes, threshold) if above.any() else config.pareto
        formula = top_tax_rate(pareto, config.elasticity, min(weight, 1.0))
        untaxed = float(self.welfare(torch.zeros(1, len(rates), dtype=torch.float64)))
        welfare = float(outcome.welfare)
        return {"welfare": welfare, "untaxed": untaxed, "pareto": pareto, "weight": weight, FORMULA: formula}


def anchors(tables: Tables) -> Sequence[Anchor]:
    """Give the top rate against the formula, and the gradient's welfare and effort against the grid's.

    Two points of the rate, one per cent of what the best schedule of the grid gains over no tax, and a tenth of the
    simulated schedules are what gradient ascent is asked for. (A simulation with its gradient takes as long as about
    three without.)
    """
    optima = tables["optima"]
    gradient = optima[optima["way"] == GRADIENT].set_index("cell")
    grid = optima[optima["way"] == GRID].set_index("cell")
    gap = (gradient["top_rate"] - gradient[FORMULA]).abs()
    lost = (grid["welfare"] - gradient["welfare"]) / (grid["welfare"] - grid["untaxed"])
    effort = gradient["evaluations"] / grid["evaluations"]
    return [
        Anchor(
            "top rate by gradient ascent from its own population's formula, at most",
            0.0,
            float(gap.max()),
            0.02,
            "Saez 2001",
        ),
        Anchor(
            "part of the grid's gain over no tax that gradient ascent misses, at most",
            0.0,
            max(float(lost.max()), 0.0),
            0.01,
            "grid search",
        ),
        Anchor(
            "schedules simulated by gradient ascent, as a part of the grid's, at most",
            0.0,
            float(effort.max()),
            0.1,
            "grid search",
        ),
    ]


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.experiments.figures.policy_gradient import figures

    return figures(tables)


EXPERIMENT: Experiment[Any] = Experiment(
    name="policy-gradient",
    title="A tax schedule by gradient ascent",
    question=(
        "Can a government that follows the gradient of social welfare through the simulation find the best schedule of "
        "marginal rates, with fewer simulations than one that tries them all, and is its top rate Saez's?"
    ),
    config=Config,
    run=run,
    figures=_figures,
    anchors=anchors,
)
