"""Tables of a results page: runs are merged, and each cell says what its rows do."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from walras.llm.analysis.attention_measures import MEASURES
from walras.simulations.evidence.figures import frontier_figures, method_styles

T_OF_3 = 4.302653  # Student's t, 2 degrees of freedom


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with the modules beside it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import frontier_results

    return frontier_results


def scores(method: str, budget: float, found: Sequence[float], *, task: str = "stsb") -> pd.DataFrame:
    """Rows of seeds 0, 1, ... with these scores; of a perplexity bits a byte are its logarithm over 5."""
    perplexity = task == "wikitext"
    table = {
        "method": method,
        "task": task,
        "seed": range(len(found)),
        "budget": budget,
        "metric": "perplexity" if perplexity else "pearson",
        "score": list(found),
        "dense_score": 0.5,
        "bits_per_byte": np.log2(found) / 5 if perplexity else np.nan,
        "real_flops_ratio": budget,
        "padded_flops_ratio": budget,
    }
    return pd.DataFrame(table)


def attention(method: str, budget: float, entropy: Sequence[float], heads: int) -> pd.DataFrame:
    table = {"method": method, "task": "stsb", "seed": range(len(entropy)), "budget": budget, "sentences": 7}
    measures = {**dict.fromkeys(MEASURES, 0.5), "ordinary_entropy": list(entropy)}
    return pd.DataFrame({**table, "heads": heads, **measures})


def written(folder: Path, tables: Sequence[pd.DataFrame], name: str = "scores") -> Path:
    folder.mkdir(exist_ok=True)
    pd.concat(tables).to_parquet(folder / f"{name}.parquet")
    return folder


def line(table: str, first: str) -> list[str]:
    """Cells of the line that begins with this one."""
    (found,) = [row for row in table.splitlines() if row.startswith(f"| {first} |")]
    return [cell.strip() for cell in found.split("|")[2:-1]]


DENSE = [0.8, 0.4, 0.5]


def test_runs_share_methods_and_ours_come_first(results: ModuleType, tmp_path: Path) -> None:
    one = written(tmp_path / "1", [scores("taylor", 0.6, DENSE), scores("market", 0.6, DENSE)])
    two = written(tmp_path / "2", [scores("random", 0.6, DENSE), scores("dense", 1.0, DENSE)])
    rows = results.merged([one, two], "scores")
    assert rows["method"].unique().tolist() == ["dense", "market", "taylor", "random"]
    assert len(rows) == 12
    with pytest.raises(SystemExit, match="In more than one run: taylor, market"):
        results.merged([one, one], "scores")
    other = written(tmp_path / "3", [scores("l0", 0.6, DENSE, task="cola")])
    with pytest.raises(SystemExit, match="Runs of several tasks: stsb, cola"):
        results.merged([one, other], "scores")
    later = scores("l0", 0.6, DENSE)
    third = written(tmp_path / "3", [later.assign(seed=later["seed"] + 3)])
    with pytest.raises(SystemExit, match="Runs of other seeds"):
        results.merged([one, third], "scores")
    with pytest.raises(SystemExit, match="No run has a table attention"):
        results.merged([one, two], "attention")


def test_what_is_kept_and_whether_targets_are_met(results: ModuleType) -> None:
    market = [0.8 * 1.00, 0.4 * 0.98, 0.5 * 0.99]
    rows = pd.concat([scores("dense", 1.0, DENSE), scores("market", 0.6, market), scores("elastic", 0.25, market)])
    half_width = 100 * T_OF_3 * 0.01 / np.sqrt(3)
    assert line(results.kept_table(rows), "market") == ["", f"99.0 ± {half_width:.1f}", ""]
    targets = results.targets_table(rows)
    assert line(targets, "60 %") == ["100", "", f"99.00 ± {half_width:.2f}: missed by 1.00"]
    assert line(targets, "25 %") == ["98.5", f"99.00 ± {half_width:.2f}: met", ""]
    assert "| 40 %" not in targets  # nobody has it
    assert results.targets_table(rows.assign(task="cola")) == ""
    alone = results.kept_table(rows[rows["seed"] == 0])
    assert line(alone, "market") == ["", "100.0", ""]  # of one seed there is no interval


def test_methods_that_began_with_other_models_are_noticed(
    results: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pd.concat([scores("dense", 1.0, DENSE), scores("market", 0.6, DENSE)], ignore_index=True)
    results.print_scores(rows, "market")
    printed = capsys.readouterr().out
    assert "Not all methods" not in printed
    assert "dense: 0.5667 (standard deviation 0.2082; 3 seeds)" in printed
    assert "by budget (mean of all methods): 60 %: 0.600" in printed
    rows.loc[4, "dense_score"] += 0.25
    results.print_scores(rows, "market")
    assert "differ by up to 0.25" in capsys.readouterr().out


def test_perplexities_are_told_as_ratios_and_bits(results: ModuleType) -> None:
    dense, market, other = [50.0, 60.0, 55.0], [50.4, 60.48, 55.44], [100.8, 120.96, 110.88]
    rows = pd.concat(
        [
            scores("dense", 1.0, dense, task="wikitext"),
            scores("elastic", 0.6, [52.0, 61.0, 57.0], task="wikitext"),
            scores("market", 0.6, market, task="wikitext"),
            scores("taylor", 0.6, other, task="wikitext"),
        ]
    )
    assert line(results.kept_table(rows), "market") == ["", "1.008 ± 0.000"]
    assert line(results.bits_table(rows), "taylor")[1].startswith(f"{np.log2(other).mean() / 5:.4f} ± ")
    elastic, ours = line(results.targets_table(rows), "60 %")[1:]
    assert ours == "1.0080 ± 0.0000: met"
    assert elastic.endswith(f"missed by {np.mean([52 / 50, 61 / 60, 57 / 55]) - 1.01:.4f}")
    assert line(results.leads_table(rows, "market"), "taylor") == ["**+0.200** ± 0.000"]  # a factor of 2 is 1 bit


def test_a_perplexity_beyond_any_float_is_told_and_left_out_of_the_figure(results: ModuleType) -> None:
    lost = scores("random-post-hoc", 0.1, [np.inf, 1e9, 2e9], task="wikitext").assign(bits_per_byte=300.0)
    rows = pd.concat([scores("dense", 1.0, [50.0, 60.0, 55.0], task="wikitext"), lost])
    assert line(results.kept_table(rows), "random-post-hoc") == ["", "inf"]
    figure = frontier_figures({"scores": rows})["frontier"]
    assert np.isfinite(figure.axes[0].get_ylim()).all()
    figure.canvas.draw()


def test_perplexities_that_are_far_apart_can_be_drawn() -> None:
    rows = pd.concat(
        [
            scores("dense", 1.0, [50.0, 60.0, 55.0], task="wikitext"),
            scores("taylor-post-hoc", 0.1, [1e5, 2e5, 3e6], task="wikitext"),
        ]
    )
    whole, near = frontier_figures({"scores": rows})["frontier"].axes
    low, high = whole.get_ylim()
    assert 20.0 < low < 55.0
    assert 1.1e6 < high < 3e6
    assert near.get_ylim() == pytest.approx((55.0 / 1.03, 55.0 / 0.9))


def test_near_panel_reaches_the_best_perplexity_of_each_budget_and_endless_intervals_are_left_out() -> None:
    rows = pd.concat(
        [
            scores("dense", 1.0, [50.0, 60.0, 55.0], task="wikitext"),
            scores("taylor", 0.1, [200.0, 200.0, 200.0], task="wikitext"),
            scores("elastic", 0.1, [1e3, 1e3, 1e6], task="wikitext"),
        ]
    )
    whole, near = frontier_figures({"scores": rows})["frontier"].axes
    assert near.get_ylim() == pytest.approx((55.0 / 1.03, 210.0))
    bars = {bar.get_label(): bar.lines[2][0].get_segments()[0][:, 1] for bar in whole.containers}
    assert np.ptp(bars["elastic"]) == 0.0  # 334,000 +- 1,433,000


def test_each_method_looks_different_and_pruning_without_training_as_what_it_is_of() -> None:
    names = ["elastic", "market", "l0", "random", "magnitude", "michel", "taylor", "fisher", "uniform", "small_dense"]
    styles = method_styles(["taylor-post-hoc", "fisher-post-hoc", *names, "random-post-hoc"])
    looks = {(style["marker"], style["color"], style["markerfacecolor"]) for style in styles.values()}
    assert len(looks) == len(styles) == 13
    assert list(styles)[-3:] == ["taylor-post-hoc", "fisher-post-hoc", "random-post-hoc"]
    hollow, full = styles["taylor-post-hoc"], styles["taylor"]
    assert (hollow["marker"], hollow["color"]) == (full["marker"], full["color"])
    assert (hollow["markerfacecolor"], full["markerfacecolor"]) == ("white", None)


def test_post_hoc_pruning_has_a_table_of_its_own(results: ModuleType) -> None:
    rows = pd.concat(
        [
            scores("dense", 1.0, DENSE),
            scores("elastic", 0.6, [0.30, 0.71, 0.30]),
            scores("market", 0.6, [0.7, 0.81, 0.69]),
            scores("taylor", 0.6, [0.7, 0.81, 0.69]),
            scores("taylor-post-hoc", 0.6, [0.6, 0.7, 0.6]),
            scores("random-post-hoc", 0.6, [0.8, 0.91, 0.8]),
        ]
    )
    assert "post-hoc" not in results.leads_table(rows, "market")
    elastic, market = results.post_hoc_tables(rows).split("market: ")
    assert market.startswith("ahead in 1 of 2, behind in 1.")
    assert line(market, "taylor-post-hoc")[0].startswith("**+0.100** ± ")
    assert line(market, "random-post-hoc")[0].startswith("_-0.103_ ± ")
    assert "| taylor |" not in market
    assert "elastic: ahead in 0 of 2, behind in 0." in elastic
    assert results.post_hoc_tables(rows[~rows["method"].str.endswith("post-hoc")]) == ""


def test_tasks_together_count_who_is_ahead_and_name_the_best_baseline(results: ModuleType) -> None:
    import frontier_markdown

    better = [score + 0.1 for score in DENSE]
    one = [scores("dense", 1.0, DENSE), scores("market", 0.6, DENSE), scores("market", 0.4, DENSE)]
    one += [scores("elastic", 0.6, DENSE), scores("fisher", 0.6, [0.9, 0.3, 0.5]), scores("fisher", 0.4, better)]
    one += [scores("l0", 0.6, [0.7, 0.29, 0.4]), scores("l0-post-hoc", 0.6, better)]
    two = [scores("dense", 1.0, [50.0] * 3, task="wikitext"), scores("market", 0.6, [60.0] * 3, task="wikitext")]
    two += [scores("fisher", 0.6, [70.0] * 3, task="wikitext"), scores("taylor", 0.6, [65.0] * 3, task="wikitext")]
    tables = [pd.concat(one), pd.concat(two)]
    standing = frontier_markdown.standing_table(tables, "market")
    assert line(standing, "fisher") == ["0 / 1 / 1", "1 / 0 / 0", "1 / 1 / 1"]
    assert line(standing, "l0") == ["1 / 0 / 0", "", "1 / 0 / 0"]
    assert "elastic" not in standing
    assert "post-hoc" not in standing
    beside = frontier_markdown.best_beside_ours(tables, [0.6, 0.4])
    assert line(beside, "stsb: elastic") == ["100.0 ± 0.0", ""]
    assert [cell.split()[-1] for cell in line(beside, "stsb: best baseline")] == ["(fisher)", "(fisher)"]
    assert line(beside, "wikitext: best baseline")[0].endswith("(taylor)")  # less perplexity is better
    assert "wikitext: elastic" not in beside


def test_near_the_best_baseline_is_within_a_standard_error_of_the_difference(results: ModuleType) -> None:
    best, off = np.array([0.5, 0.6, 0.7]), np.array([-0.01, 0.0, -0.02])  # mean -0.01, standard error 0.0058
    rows = pd.concat(
        [
            scores("dense", 1.0, DENSE, task="cola"),
            scores("market", 0.6, best + off, task="cola"),
            scores("elastic", 0.6, best + off + 0.005, task="cola"),
            scores("taylor", 0.6, best, task="cola"),
            scores("random", 0.6, best - 0.1, task="cola"),
            scores("market", 0.5, best, task="cola"),  # where no baseline is
        ]
    )
    table = results.near_best_table(rows)
    assert line(table, "60 %") == [
        "taylor",
        "-0.005, standard error 0.006: met",
        "-0.010, standard error 0.006: missed",
    ]
    assert "50 %" not in table


def test_the_script_writes_its_files_and_tells_of_attention(
    results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = written(tmp_path / "main", [scores("dense", 1.0, DENSE), scores("market", 0.6, DENSE)])
    other = written(tmp_path / "other", [scores("random", 0.6, DENSE)])
    written(main, [attention("dense", 1.0, [3, 4, 5], 8), attention("market", 0.6, [2, 2.9, 4.1], 5)], "attention")
    written(other, [attention("random", 0.6, [3, 4, 5.3], 4)], "attention")
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["frontier_results.py", str(main), str(other), "--out", str(out)])
    results.main()
    assert {file.name for file in out.iterdir()} == {"rows.csv", "frontier.png", "attention.csv", "attention.png"}
    assert pd.read_csv(out / "attention.csv")["method"].value_counts().to_dict() == {
        "dense": 3,
        "market": 3,
        "random": 3,
    }
    printed = capsys.readouterr().out
    entropy, rest = printed.split("Entropy of attention, bits:")[1].split("Gini of attention")
    assert line(entropy, "dense") == ["4.000", ""]
    half_width = T_OF_3 * 0.1 / np.sqrt(3)
    assert line(entropy, "market") == ["", f"3.000 (**-1.000 ± {half_width:.3f}**)"]
    assert line(entropy, "random")[1].startswith("4.100 (+0.100 ± ")
    heads = rest.split("Open heads of a model")[1].split("more interpretable")[0]
    assert line(heads, "random") == ["", "4.0"]
    assert "market, more interpretable attention: **not reproduced**" in printed  # agreement is as before
    assert "mean over 7 sentences and 3 seeds" in printed
