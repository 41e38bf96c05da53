"""Experiments on mechanisms and populations, each with a scenario, figures, and numbers that it must come near."""

from importlib import import_module
from typing import Any

from walras.market.errors import InvalidInputError
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables

__all__ = ["EXPERIMENTS", "Anchor", "Experiment", "Tables", "load_experiment"]

# Each module holds its `EXPERIMENT`; they are imported when asked for, so that the command line starts quickly.
EXPERIMENTS: dict[str, str] = {
    name: f"walras.simulations.experiments.{name.replace('-', '_')}"
    for name in (
        "compute-economy",
        "double-auction",
        "inequality",
        "market-power",
        "optimal-top-rate",
        "policy-gradient",
        "prices-against-quantities",
        "scarf",
        "tax-incidence",
    )
}


def load_experiment(name: str) -> Experiment[Any]:
    """Give an experiment by its name.

    Raises
    ------
    InvalidInputError
        If there is none of that name.
    """
    if name not in EXPERIMENTS:
        raise InvalidInputError(f"There is no experiment {name!r}; there are: {', '.join(EXPERIMENTS)}.")
    experiment: Experiment[Any] = import_module(EXPERIMENTS[name]).EXPERIMENT
    return experiment
