"""The benchmark of latency: a model is cut in each layer as a frontier's rows say."""

import argparse
from pathlib import Path

import pandas as pd
import pytest

from walras.llm import attach
from walras.llm.tasks import small_bert


def test_a_model_is_cut_as_a_trained_method_cut_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    from exported_models import _chosen

    counts = [(4, 1), (1, 8), (0, 3), (2, 0)]  # of 4 heads and 8 blocks in each of 4 layers
    by_layer = " ".join(f"{heads}+{blocks}" for heads, blocks in counts)
    rows = [("elastic", 0.4, "4+8 4+8 4+8 4+8"), ("market", 0.4, by_layer), ("market", 0.4, "0+1 0+0 0+0 0+0")]
    pd.DataFrame(rows, columns=["method", "budget", "by_layer"]).to_csv(tmp_path / "rows.csv")
    options = argparse.Namespace(chosen=tmp_path / "rows.csv", method="market")
    economy = attach(small_bert())
    exported = _chosen(economy, 0.4, options)
    matrices = [
        sum(each.numel() for each in layer.parameters() if each.ndim == 2) for layer in exported.bert.encoder.layer
    ]
    assert matrices == [heads * 4 * 128 * 32 + blocks * 2 * 128 * 64 for heads, blocks in counts]
    with pytest.raises(SystemExit, match="does not say what market has in each layer"):
        _chosen(economy, 0.3, options)
