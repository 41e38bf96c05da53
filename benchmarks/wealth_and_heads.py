"""What wealth, its tax and a tax on concentration do to which heads survive: a small BERT on the embedded task.

    python benchmarks/wealth_and_heads.py [--seeds 3] [--steps 300]

Each row trains `small_bert` under one set of incentives, with the same data and steps, and looks at it at two budgets:
accuracy; heads left; layers that lost all heads; Gini of use over layers (as fractions of what each could use); Gini of
wealth per unit of full use. Mean over seeds, and half the range.
"""

import argparse

import pandas as pd

from walras.llm import ConcentrationTax, EconomyConfig, ElasticBudget, WealthDynamics, attach
from walras.llm.analysis import budget_table, layer_table
from walras.llm.tasks import make_roles_task, small_bert
from walras.llm.training import TrainingSettings, fine_tune, score
from walras.market import gini
from walras.market.taxation import BracketTax

BUDGETS = (0.2, 0.4)
SPREAD = ConcentrationTax(BracketTax([1.0, 1.5], [0.0, 1.0, 3.0]))
RULES = {
    "credit (no wealth)": {},
    "wealth": {"wealth": WealthDynamics()},
    "wealth, tax 50 %, rebated": {"wealth": WealthDynamics(wealth_tax=0.5, rebate=True)},
    "wealth, tax 50 %, to contributors": {"wealth": WealthDynamics(wealth_tax=0.5, rebate=False)},
    "tax on concentration": {"concentration": SPREAD},
    "market of each layer": {"scope": "layer"},
}


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    rows = []
    for seed in range(options.seeds):
        task = make_roles_task(train=8_000, evaluation=1_000, seed=seed)
        for name, rules in RULES.items():
            rows += trained(task, name, rules, seed, options.steps)
            print(pd.DataFrame(rows[-2:]).to_string(header=False, index=False), flush=True)
    table = pd.DataFrame(rows)
    columns = ["accuracy", "heads left", "layers without heads", "Gini of layers", "Gini of wealth"]
    grouped = table.groupby(["rules", "budget"], sort=False)[columns]
    half_range = (grouped.max() - grouped.min()) / 2.0
    print("\n\nMean over seeds\n" + grouped.mean().to_string(float_format="{:.3f}".format))
    print("\nHalf the range over seeds\n" + half_range.to_string(float_format="{:.3f}".format))


def trained(task: object, name: str, rules: dict[str, object], seed: int, steps: int) -> list[dict[str, object]]:
    """Train one model, and give a row per budget."""
    model = small_bert(seed=seed)
    economy = attach(model, EconomyConfig(sequence_length=task.longest, **rules))
    settings = TrainingSettings(steps=steps, learning_rate=1e-3, seed=seed)
    fine_tune(model, task, settings, callbacks=[economy.callback(ElasticBudget(lowest=0.2, seed=seed))])
    uses, layers = budget_table(economy, BUDGETS).set_index("budget"), layer_table(economy, BUDGETS)
    rows = []
    for budget in BUDGETS:
        economy.set_budget(budget)
        here = layers[layers["budget"] == budget]
        wealth = economy.wealth
        rows.append(
            {
                "rules": name,
                "budget": budget,
                "seed": seed,
                "accuracy": score(model, task),
                "heads left": int(here["served_attention"].sum()),
                "layers without heads": int((here["served_attention"] == 0).sum()),
                "Gini of layers": uses.loc[budget, "gini_layers"],
                "Gini of wealth": float("nan") if wealth is None else gini(wealth / economy.gate.costs.numpy()),
            }
        )
    return rows


if __name__ == "__main__":
    main()
