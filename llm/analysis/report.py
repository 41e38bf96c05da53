"""One page about an economy, as text, tables or HTML: use, prices, concentration, entropy, FLOPs."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, final

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor

from walras.llm.analysis.figures import allocation_figure, price_figure
from walras.llm.analysis.shadow_prices import shadow_prices
from walras.llm.analysis.use import at_budget, budget_table, checked_budgets, layer_table, whole_flops
from walras.llm.attention import entropy_of_batches
from walras.llm.errors import CouplingError
from walras.market import gini

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["EconomyReport", "make_report"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; text-align: right; border-bottom: 1px solid #ddd; }
.facts td { text-align: left; }
h2 { margin-top: 2rem; font-size: 1.15rem; } img { max-width: 100%; } .note { color: #555; max-width: 46rem; }
"""

_NOTES = {
    "facts": "",
    "budgets": "One row per budget. FLOPs of one sequence: of what agents use, and of the whole model, embeddings and "
    "head included. Gini of the use of agents and of layers, as fractions of what each could use: 0 is even.",
    "layers": "Who is served in each layer, the layer's share of all FLOPs used, and the fraction of its own that it "
    "uses.",
    "prices": "Price: money per unit, in which valuations are bid. Shadow price: by how much a unit of the resource, "
    "given to the layer's agents, would lower the loss; layer -1 is all agents together.",
    "entropy": "Mean entropy of attention (bits) of each layer's heads with everyone served, and, at each budget, of "
    "those that are served; 0: a head looks at one token.",
}


@final
@dataclass(frozen=True, eq=False)
class EconomyReport:
    """What an economy looks like at several budgets. Made by `ModelEconomy.report`; printed, it is text.

    Attributes
    ----------
    facts
        What holds at every budget: the model, its agents, the rules.
    agents
        `ModelEconomy.frame()` at the smallest budget.
    budgets
        A row per budget (`walras.llm.analysis.budget_table`).
    layers
        A row per budget and layer (`walras.llm.analysis.layer_table`).
    prices
        `walras.llm.analysis.shadow_prices`; None without batches, under a posted price, or where several resources are
        scarce.
    entropy
        A row per layer: the attention's entropy; None without batches, or where the model gives no probabilities.
    figures
        `allocation`, and `prices` if there are some.
    """

    facts: dict[str, str]
    agents: pd.DataFrame
    budgets: pd.DataFrame
    layers: pd.DataFrame
    prices: pd.DataFrame | None
    entropy: pd.DataFrame | None
    figures: dict[str, Figure]

    def frame(self) -> pd.DataFrame:
        """Give one row per budget and layer: use, and price and shadow price where they are known."""
        if self.prices is None:
            return self.layers
        return self.layers.merge(self.prices.drop(columns="loss"), on=["budget", "layer"], how="left")

    def text(self) -> str:
        """Give the report as text."""
        width = max(len(name) for name in self.facts)
        parts = ["\n".join(f"{name:<{width}}  {value}" for name, value in self.facts.items())]
        parts += [f"{title}\n{_as_text(table)}" for title, table in self._tables()]
        return "\n\n".join(parts)

    __str__ = text

    def html(self) -> str:
        """Give the report as one HTML page that needs no other file."""
        facts = "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in self.facts.items())
        parts = [f"<h1>Economy of {escape(self.facts['model'])}</h1><table class='facts'>{facts}</table>"]
        for title, table in self._tables():
            name = title.split(" ")[0].lower()
            parts.append(f"<h2>{escape(title)}</h2><p class='note'>{escape(_NOTES[name])}</p>")
            figure = {"layers": "allocation", "prices": "prices"}.get(name)
            if figure in self.figures:
                parts.append(f"<img alt='{figure}' src='data:image/png;base64,{_png(self.figures[figure])}'>")
            parts.append(table.to_html(index=False, border=0, float_format=_number, na_rep="-", escape=True))
        body = "\n".join(parts)
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Economy</title>"
            f"<style>{_STYLE}</style></head><body>{body}</body></html>"
        )

    def save(self, path: str | Path) -> Path:
        """Write the HTML page, and give its path."""
        target = Path(path)
        target.write_text(self.html(), encoding="utf-8")
        return target

    def _tables(self) -> list[tuple[str, pd.DataFrame]]:
        named = [("Budgets", self.budgets), ("Layers", self.layers)]
        named += [("Prices by layer and budget", self.prices)] if self.prices is not None else []
        return named + ([("Entropy of attention", self.entropy)] if self.entropy is not None else [])


def make_report(
    economy: "ModelEconomy",
    batches: Iterable[Mapping[str, Tensor]] = (),
    *,
    budgets: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    temperature: float | None = None,
) -> EconomyReport:
    """Look at an economy at several budgets; nothing of it is changed.

    Parameters
    ----------
    batches
        What the model is called with, labels included, for shadow prices and entropy; without any, those are left out.
    budgets
        Fractions in [0, 1].
    temperature
        Scale of demand (money per unit) at which shadow prices are taken; the present one by default.

    Raises
    ------
    CouplingError
        Bids depend on the sequence, so that there is no one allocation.
    """
    fractions = checked_budgets(budgets)
    examples = list(batches)
    prices = None
    has_one_price = not economy.config.posts_a_price and economy.gate.limits is None
    if examples and has_one_price and all("labels" in batch for batch in examples):
        prices = shadow_prices(economy, examples, fractions, temperature=temperature)
    figures = {"allocation": allocation_figure(economy, fractions)}
    if prices is not None:
        figures["prices"] = price_figure(prices)
    return EconomyReport(
        facts=_facts(economy),
        agents=economy.frame(min(fractions)),
        budgets=budget_table(economy, fractions),
        layers=layer_table(economy, fractions),
        prices=prices,
        entropy=_entropy(economy, examples, fractions),
        figures=figures,
    )


def _facts(economy: "ModelEconomy") -> dict[str, str]:
    population, config, resource = economy.population, economy.config, economy.config.resource
    agents, everything = int(population.costs_flops.sum()), whole_flops(economy)
    kinds = population.frame()["kind"].value_counts(sort=False)
    facts = {
        "model": type(economy.model).__name__,
        "agents": f"{len(population)}: "
        + ", ".join(f"{count} {str(kind).replace('_', ' ')}s" for kind, count in kinds.items()),
        "rules": f"{config.mechanism.supply!r}, {config.mechanism.demand!r}, {config.scope} market",
        "resource": f"{resource.name} ({resource.unit}), {economy.amounts.sum():.6g} in all",  # type: ignore[union-attr]
        "FLOPs": f"{everything:,} a sequence of {population.sequence_length} tokens, embeddings and head included; "
        f"{agents:,} ({agents / everything:.1%}) are the agents'",
        "valuations": f"{economy.valuations.min():.3g} to {economy.valuations.max():.3g} (money per unit)",
        "limits": ", ".join(f"{name} {limit:g}" for name, limit in config.limits.items()) or "none",
        "temperature": f"{float(economy.gate.temperature):g}",
    }
    if economy.wealth is not None:
        per_unit = economy.wealth / economy.gate.costs.clamp(min=1e-12).cpu().numpy()
        facts["wealth"] = f"{economy.wealth.sum():.4g} in all, Gini {gini(per_unit):.3f} (per unit of full use)"
    return facts


def _entropy(
    economy: "ModelEconomy", examples: list[Mapping[str, Tensor]], budgets: tuple[float, ...]
) -> pd.DataFrame | None:
    if not examples:
        return None
    sites = [site for site in economy.population.sites if site.is_attention]
    table = pd.DataFrame({"layer": [site.layer for site in sites]})
    try:
        for name, budget, mode in (("all heads", 1.0, "open"), *((f"at {each:g}", each, "hard") for each in budgets)):
            served = economy.hard_allocation(budget)
            with at_budget(economy, budget, mode):
                heads = entropy_of_batches(economy.model, examples)
            if len(heads) != len(sites):
                return None
            chosen = [
                bits[served[site.agents].repeat(len(bits) // len(site.widths))]
                for site, bits in zip(sites, heads, strict=True)
            ]
            table[name] = [float(bits.mean()) if bits.size else float("nan") for bits in chosen]
    except CouplingError:  # attention that gives no probabilities
        return None
    return table


def _as_text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, float_format=_number, na_rep="-")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
