"""Documentation keeps up with the code, and its tests can fail."""

import importlib
import re
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
REFERENCE = {
    "walras.market": "market.md",
    "walras.market.taxation": "taxation.md",
    "walras.market.partial_equilibrium": "partial-equilibrium.md",
    "walras.market.welfare": "welfare.md",
    "walras.market.networks": "networks.md",
    "walras.market.auctions": "auctions.md",
    "walras.market.order_book": "order-book.md",
    "walras.market.double_auctions": "double-auctions.md",
    "walras.market.exchange": "exchange.md",
    "walras.market.fisher": "fisher.md",
    "walras.market.assignment": "assignment.md",
    "walras.market.market_makers": "market-makers.md",
    "walras.market.testing": "testing.md",
    "walras.market.testing.strategies": "strategies.md",
    "walras.market.operators": "operators.md",
    "walras.market.operators.equilibria": "operators-equilibria.md",
    "walras.market.operators.simulation": "operators-simulation.md",
    "walras.market.operators.welfare": "operators.md",
    "walras.agents": "agents.md",
    "walras.agents.compute": "compute-economy.md",
    "walras.agents.exchange": "exchange-economy.md",
    "walras.agents.labour": "labour.md",
    "walras.agents.learning": "learning.md",
    "walras.agents.pollution": "pollution.md",
    "walras.agents.trading": "trading.md",
    "walras.agents.wealth": "wealth-exchange.md",
    "walras.llm": "llm.md",
    "walras.llm.analysis": "llm.md",
    "walras.llm.baselines": "baselines.md",
    "walras.llm.ensemble": "ensemble.md",
    "walras.llm.tasks": "tasks.md",
    "walras.llm.tokens": "tokens.md",
    "walras.llm.scarcity": "scarcity.md",
    "walras.simulations": "simulations.md",
    "walras.simulations.experiments": "experiments.md",
    "walras.simulations.calibration": "calibration.md",
    "walras.simulations.dashboard": "dashboard.md",
    "walras.simulations.evidence": "evidence.md",
    "walras.simulations.evidence.ablation": "ablation.md",
    "walras.simulations.evidence.mechanisms": "mechanisms.md",
}

WORD = r"(?:de )?[A-Z][\w-]+"
CITATION = re.compile(rf"{WORD}(?:(?:, {WORD})* and {WORD}| et al\.)? (?:18|19|20)\d\d\b(?!-\d)")


@pytest.mark.parametrize(("package", "page"), REFERENCE.items())
def test_reference_lists_each_public_name(package: str, page: str) -> None:
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    module = importlib.import_module(package)
    listed = set(re.findall(rf"^::: {re.escape(package)}\.(\w+)$", text, flags=re.MULTILINE))
    aliases = set(re.findall(r"^`(\w+)` is `", text, flags=re.MULTILINE))
    assert listed | aliases == set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def cited_in_code() -> set[str]:
    paths = [path for folder in ("market", "agents", "llm", "simulations") for path in (ROOT / folder).rglob("*.py")]
    # Docstrings and comments may break a line inside a citation.
    texts = (re.sub(r"\n\s*(?:#:? ?)?", " ", path.read_text(encoding="utf-8")) for path in paths)
    return {key for text in texts for key in CITATION.findall(text)}


def cited_in_pages() -> set[str]:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "bibliography.md"]
    # Pages may break a line inside a citation.
    texts = (re.sub(r"\s+", " ", path.read_text(encoding="utf-8")) for path in pages)
    return {key for text in texts for key in CITATION.findall(text)}


def test_bibliography_has_each_work_that_is_cited() -> None:
    bibliography = (ROOT / "docs" / "reference" / "bibliography.md").read_text(encoding="utf-8")
    keys = set(re.findall(r"^\| \*\*(.+?)\*\* \|", bibliography, flags=re.MULTILINE))
    assert {"Pigou 1920", "McKelvey and Palfrey 1995"} <= cited_in_code()
    assert {"Malaviya, Ferreira and Martins 2018", "Weitzman 1974"} <= cited_in_pages()
    assert cited_in_code() | cited_in_pages() <= keys


def test_bibliography_is_sorted() -> None:
    bibliography = (ROOT / "docs" / "reference" / "bibliography.md").read_text(encoding="utf-8")
    keys = re.findall(r"^\| \*\*(.+?)\*\* \|", bibliography, flags=re.MULTILINE)
    assert keys == sorted(keys, key=str.lower)


def test_no_package_is_imported_under_a_bare_name() -> None:
    ours = {"market", "agents", "llm", "simulations"}
    bare = {
        name
        for name, module in sys.modules.items()
        if name.split(".")[0] in ours and str(ROOT) in str(getattr(module, "__file__", ""))
    }
    assert bare == set()


@pytest.fixture
def page(pytester: pytest.Pytester) -> Path:
    """A page in a project that collects its pages as this one does."""
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:randomly -p no:cacheprovider")
    folder = pytester.mkdir("docs")
    return folder / "page.md"


PASSING = """
```python
count = 1
```

Blocks share their names:

```python
>>> count + 1
2
```

```text
not python
```
"""


def test_a_page_that_is_right_passes(pytester: pytest.Pytester, page: Path) -> None:
    page.write_text(PASSING, encoding="utf-8")
    pytester.runpytest_inprocess("docs").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("page_text", "message"),
    [
        (PASSING.replace("\n2\n", "\n3\n"), "*did not evaluate as expected*"),
        (PASSING.replace("count + 1", "count + missing"), "*NameError: name 'missing' is not defined*"),
        (PASSING.replace("count = 1", "count = 1\nassert count == 2"), "*page.md:4: AssertionError*"),
        (PASSING.replace("count = 1", "count = 1\nimport warnings; warnings.warn('old')"), "*UserWarning: old*"),
    ],
    ids=["wrong output", "wrong name", "failing block", "warning"],
)
def test_a_page_that_is_wrong_fails(pytester: pytest.Pytester, page: Path, page_text: str, message: str) -> None:
    page.write_text(page_text, encoding="utf-8")
    result = pytester.runpytest_inprocess("docs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
