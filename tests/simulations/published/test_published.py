"""Each published result is a test, called by its row's id."""

from pathlib import Path

import pytest

from walras.simulations.published import PublishedResult
from walras.simulations.published.table import all_results, compute

RESULTS = all_results()


@pytest.mark.parametrize("result", RESULTS, ids=[result.id for result in RESULTS])
def test_published(result: PublishedResult) -> None:
    computed = compute(result)
    assert computed.comparisons
    assert [comparison for comparison in computed.comparisons if not comparison.agrees] == []


def test_identifiers_are_unique() -> None:
    names = [result.id for result in RESULTS]
    assert len(set(names)) == len(names)


def test_the_page_has_each_result() -> None:
    page = (Path(__file__).parents[3] / "docs" / "results" / "published.md").read_text(encoding="utf-8")
    assert [result.id for result in RESULTS if f"| `{result.id}` |" not in page] == []
