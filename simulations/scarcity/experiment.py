"""The scarcity study as an experiment: a cell is one model on one kind of texts, under all cuts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from transformers.utils.logging import disable_progress_bar

from walras.llm.scarcity import effects, scarcity_study
from walras.simulations.experiments.experiment import Anchor, Experiment, Tables
from walras.simulations.scarcity.config import ScarcityConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXPERIMENT", "run_scarcity_cell"]


def run_scarcity_cell(config: ScarcityConfig, rng: Generator) -> Tables:
    """Run the study of one model.

    Returns
    -------
    Mapping
        `shifts`, `concentration`, `losses` and `whole` as in `ScarcityTables`, and `effects` (see
        `walras.llm.scarcity.effects`).
    """
    disable_progress_bar()  # of loading: workers share the terminal
    loading, studying, resampling = rng.spawn(3)
    model, texts, calibration = config.load(loading)
    found = scarcity_study(model, texts, calibration, config.cuts, studying, top=config.top)
    return {
        "shifts": found.shifts,
        "concentration": found.concentration,
        "losses": found.losses,
        "whole": found.whole,
        "effects": effects(found.shifts, resampling),
    }


def _anchors(tables: Tables) -> Sequence[Anchor]:
    """What holds whatever the model does: nothing here says whether the claim does."""
    shifts = tables["shifts"]
    parts = shifts.pivot(
        index=["cell", "text", "cut", "level", "draw", "layers", "tokens", "value"], columns="part", values="top_share"
    )
    gap = float((parts["composition"] + parts["reallocation"] - parts["total"]).abs().max())
    at_random = tables["effects"].query("value == 'random' and outcome == 'top_share' and part == 'total'")
    # With random values no set of tokens gains on average; 5 leaves room for many cuts and few texts.
    errors = at_random["mean"].abs() / ((at_random["high"] - at_random["low"]) / 3.92).clip(lower=1e-12)
    return (
        Anchor("composition and reallocation add up to the total (largest gap)", 0.0, gap, 1e-5, "closed form"),
        Anchor(
            "random values: largest mean change of the top share (standard errors)",
            0.0,
            float(np.max(errors)),
            5.0,
            "closed form",
        ),
    )


def _figures(tables: Tables) -> Mapping[str, "Figure"]:
    from walras.simulations.scarcity.figures import scarcity_figures

    return scarcity_figures(tables)


EXPERIMENT = Experiment(
    name="scarcity",
    title="Where attention goes when compute is cut",
    question="Does a standard model, cut without training, move its attention to the tokens that are worth most to it?",
    config=ScarcityConfig,
    run=run_scarcity_cell,
    figures=_figures,
    anchors=_anchors,
)
