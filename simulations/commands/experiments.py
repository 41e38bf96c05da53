"""`walras experiments`: which experiments and scenarios there are, and the fields of one."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from walras.simulations.commands.options import AsJson

__all__ = ["experiments"]


def experiments(
    name: Annotated[
        str | None, typer.Argument(help="One of them, or module:NAME or file.py:NAME: shows its fields.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the experiments with their questions and scenarios, or the fields of one with their defaults."""
    import json

    facts: Any = _fields(name) if name else _all()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    elif name:
        _print_fields(facts)
    else:
        _print_all(facts)


def _all() -> list[dict[str, Any]]:
    from walras.simulations.experiments import EXPERIMENTS
    from walras.simulations.runner.scenario import find_experiment, load_scenario, scenario_files

    scenarios = {name: load_scenario(name) for name in scenario_files()}
    return [
        {
            "experiment": name,
            "title": find_experiment(name).title,
            "question": find_experiment(name).question,
            "scenarios": [key for key, scenario in scenarios.items() if scenario.experiment == name],
        }
        for name in EXPERIMENTS
    ]


def _fields(name: str) -> dict[str, Any]:
    from walras.simulations.runner.fields import configuration_fields
    from walras.simulations.runner.scenario import find_experiment, load_scenario, scenario_files

    experiment = find_experiment(name)
    known = configuration_fields(experiment.config)
    return {
        "experiment": name,
        "title": experiment.title,
        "question": experiment.question,
        "fields": [{"field": one.name, "type": one.type_name, "default": one.default} for one in known],
        "scenarios": {
            key: str(path) for key, path in scenario_files().items() if load_scenario(key).experiment == name
        },
    }


def _print_all(facts: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console

    console = Console()
    for fact in facts:
        console.print(f"[bold]{fact['experiment']}[/]: {fact['title']}", highlight=False)
        console.print(f"  {fact['question']}", highlight=False)
        console.print(f"  scenarios: {', '.join(fact['scenarios']) or 'none'}\n", highlight=False, style="dim")
    console.print("Run one with: walras simulate SCENARIO. Fields and defaults: walras experiments NAME.")


def _print_fields(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{facts['title']}[/]\n{facts['question']}\n", highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("field", "type", "default"):
        table.add_column(column)
    for field in facts["fields"]:
        default = field["default"]
        shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
        table.add_row(field["field"], field["type"], shown)
    console.print(table, highlight=False)
    for name, path in facts["scenarios"].items():
        console.print(f"\nscenario [bold]{name}[/]: {path}", highlight=False, soft_wrap=True)
