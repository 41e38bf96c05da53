"""The gallery of the documentation: each experiment's figures, with the command that made them and its anchors.

    walras simulate scarf --out runs/scarf
    python -m walras.simulations.experiments.gallery docs/results/gallery.md runs/scarf ...

Everything is made from the stored rows of the runs. Figures are written beside the page, in a folder of its name, with
a palette of 256 colours, so that they stay small.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure
from PIL import Image

from walras.market.errors import InvalidInputError
from walras.simulations.experiments.experiment import Anchor
from walras.simulations.runner import Scenario, StoredRun, load_scenario, scenario_files

__all__ = ["command_of", "write_gallery"]

_DOTS_PER_INCH = 120
_COLOURS = 256

_INTRODUCTION = """# Gallery of experiments

What each experiment asks, what came out, and the command that made it. Points are simulated, lines are theory;
intervals are 95 % over replications unless a figure says otherwise. Under the figures of an experiment stand its
*anchors*: numbers that are published or known in closed form, what was obtained, and how far apart they may be.
`walras report RUN` makes the same figures from the rows of a run, and the sources are those of the
[bibliography](../reference/bibliography.md).

This page is made from runs by

```text
{command}
```
"""

_READINGS = {
    ("compute-economy-recorded", "efficiency"): (
        "The same for heads and neuron blocks of a small BERT, whose valuations `walras study` recorded when it "
        "trained the model under the market: what can be learned of a tax code before the model meets it."
    ),
    ("compute-economy-recorded", "inequality"): (
        "Heads are worth more than blocks in this model, and wealth decides less under a tax, as among drawn agents."
    ),
    ("compute-economy", "efficiency"): (
        "Left: the price that the seller gets, by tax code. Where agents cannot borrow, the able poor cannot bid, and "
        "compute is cheap and badly used; a rebated tax gives them money to bid with. Right: the value produced."
    ),
    ("compute-economy", "inequality"): (
        "Wealth and compute are shared more equally under each tax, most of all under those on surplus and wealth. "
        "Random bids spread compute, too, but not to those who make most of it."
    ),
    ("double-auction", "prices"): (
        "A session of each kind of trader in Smith's market. The band is the equilibrium; vertical lines part the days."
    ),
    ("double-auction", "efficiency"): (
        "Traders who quote at random find 96 to 97 % of the surplus if they may not lose money, and learn nothing. "
        "With margins or beliefs that they learn from quotes they find nearly all of it by the third day, as people do."
    ),
    ("inequality", "paths"): (
        "Without a tax one agent comes to own everything. Each tax holds wealth in a law of its own (dotted)."
    ),
    ("inequality", "rates"): (
        "For the same rate an exemption leaves more inequality; for the same revenue it leaves less."
    ),
    ("market-power", "concentration"): (
        "Left: in a market of quantities the margin is the Herfindahl index over the elasticity of demand; one firm "
        "that undercuts the others sells all and still has a low margin. Middle: more firms, less loss; firms of "
        "unequal cost lose more, since some of the output is made at too high a cost. Right: of ten firms nine must "
        "merge before the insiders gain."
    ),
    ("market-power", "algorithms"): (
        "Q-learners that know nothing of the market come to gain most of what a cartel would if they care for the "
        "future, and punish a price cut: the rival cuts in turn, and both come back within some ten periods."
    ),
    ("optimal-top-rate", "rates"): (
        "A government that tries rates ends at the formula. The households at the far right of a thick tail are seldom "
        "drawn, so that rates lie up to a point below the law's; each lies on the curve of its own population."
    ),
    ("policy-gradient", "ascent"): (
        "A whole schedule of marginal rates, tuned by gradient ascent through the simulation: in 50 simulations it "
        "comes to the welfare of the best of 1,540 schedules, and its top rate to the formula's."
    ),
    ("prices-against-quantities", "losses"): (
        "Where damage rises more slowly than the cost of abatement a tax loses less, where it rises faster a cap, by "
        "Weitzman's difference. A cap with a price floor and a ceiling loses less than both."
    ),
    ("prices-against-quantities", "outcomes"): (
        "What each instrument holds still, and what it lets move, where both lose the same."
    ),
    ("scarf", "cycle"): (
        "An auctioneer who raises the price of what is scarce circles for ever, or drifts outwards if he moves in "
        "steps. Foresight, other ownership and other tastes cure him, at the rates of the eigenvalues. Without him "
        "consumers who trade two by two get stuck, unless there is a good that all want."
    ),
    ("tax-incidence", "incidence"): (
        "The less elastic side bears more, whoever pays by law, in a call auction to the last tick; traders who quote "
        "at random follow roughly."
    ),
    ("tax-incidence", "laffer"): (
        "Households under flat taxes. Where the wage rises as less is worked, the peak comes later and is higher."
    ),
}


def write_gallery(page: Path, runs: Sequence[StoredRun]) -> None:
    """Write the page, and the figures into the folder of its name beside it.

    Parameters
    ----------
    page
        A Markdown file.
    runs
        Complete runs, each of a scenario that comes with walras.

    Raises
    ------
    InvalidInputError
        If a run is of another scenario, so that no short command made it.
    """
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    command = f"python -m walras.simulations.experiments.gallery {page.as_posix()} RUN ..."
    parts = [_INTRODUCTION.format(command=command), *(_section(run, folder) for run in runs)]
    page.write_text("\n".join(parts), encoding="utf-8")


def command_of(scenario: Scenario) -> str:
    """Give the command that runs a scenario: one that comes with walras, unchanged.

    Raises
    ------
    InvalidInputError
        If it is none of them.
    """
    return f"walras simulate {_name_of(scenario)}"


def _name_of(scenario: Scenario) -> str:
    plain = scenario.as_plain_values()
    for name in scenario_files():
        if load_scenario(name).as_plain_values() == plain:
            return name
    raise InvalidInputError(
        f"A run of {scenario.experiment} is of no scenario that comes with walras: run one of "
        f"{', '.join(scenario_files())} as it is."
    )


def _section(run: StoredRun, folder: Path) -> str:
    name, experiment = _name_of(run.scenario), run.experiment
    lines = [f"## {_title(run, name)}", "", experiment.question, "", "```text", command_of(run.scenario), "```", ""]
    for figure_name, figure in experiment.figures(run.tables).items():
        file = folder / f"{name}-{figure_name}.png"
        file.write_bytes(_small_png(figure))
        reading = _READINGS.get((name, figure_name), "")
        lines += [f"![{_title(run, name)}: {figure_name}]({folder.name}/{file.name})", ""]
        lines += [reading, ""] if reading else []
    return "\n".join([*lines, *_anchor_lines(run.anchors())])


def _title(run: StoredRun, name: str) -> str:
    extra = name.removeprefix(run.experiment.name).strip("-")
    return f"{run.experiment.title} ({extra})" if extra else run.experiment.title


def _anchor_lines(anchors: Sequence[Anchor]) -> list[str]:
    if not anchors:
        return ["Nothing published or in closed form speaks of this scenario.", ""]
    agree = sum(anchor.agrees for anchor in anchors)
    lines = [f"{agree} of {len(anchors)} anchors agree.", ""]
    lines += ["| against what is known | expected | obtained | may differ by | source |", "|---|---|---|---|---|"]
    for anchor in anchors:
        numbers = (f"{number:.4g}" for number in (anchor.expected, anchor.obtained, anchor.tolerance))
        missed = "" if anchor.agrees else " **(no)**"
        statement = anchor.statement.replace("|", "\\|")
        lines.append(f"| {statement}{missed} | {' | '.join(numbers)} | {anchor.source} |")
    return [*lines, ""]


def _small_png(figure: Figure) -> bytes:
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DOTS_PER_INCH)
    drawn.seek(0)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def main(
    page: Annotated[Path, typer.Argument(help="The page to write; figures go into a folder of its name beside it.")],
    runs: Annotated[list[Path], typer.Argument(help="Folders of complete runs, in the order of the page.")],
) -> None:
    """Make the gallery from runs."""
    write_gallery(page, [StoredRun(run) for run in runs])


if __name__ == "__main__":
    typer.run(main)
