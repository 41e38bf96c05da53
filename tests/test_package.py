"""The packages as users meet them: every public name resolves, importing is light, equal specifications are equal."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import walras.market
from walras.market import CapacityMarket, FixedSupply, LinearDemand, LogitDemand, PerUnitTax, PostedPrice, StepDemand

PACKAGES = ["walras", *(f"walras.{module.name}" for module in pkgutil.iter_modules(walras.__path__) if module.ispkg)]
ENGINE = [f"walras.market.{module.name}" for module in pkgutil.iter_modules(walras.market.__path__)]


def specification(**changes: object) -> CapacityMarket:
    rules = {"supply": FixedSupply(2), "demand": LogitDemand(0.5), "tax": PerUnitTax([1, 2])} | changes
    return CapacityMarket(**rules)


def test_the_engine_is_among_the_packages() -> None:
    assert "walras.market" in PACKAGES
    assert {"walras.market.capacity", "walras.market.demand"} <= set(ENGINE)


@pytest.mark.parametrize("name", [*PACKAGES, *ENGINE])
def test_every_public_name_resolves(name: str) -> None:
    package = importlib.import_module(name)
    assert len(set(package.__all__)) == len(package.__all__) > 0
    for public in package.__all__:
        assert getattr(package, public) is not None


def test_importing_the_engine_imports_no_heavy_library() -> None:
    heavy = ["torch", "mesa", "transformers", "scipy.optimize", "pandas", "matplotlib", "walras.market.operators"]
    program = f"import sys, walras.market; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def test_equal_specifications_compare_and_hash_equal() -> None:
    same = specification(supply=FixedSupply(2.0), tax=PerUnitTax((1.0, 2.0)))
    assert specification() == same
    assert hash(specification()) == hash(same)
    assert len({specification(), same}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"supply": FixedSupply(3.0)},
        {"supply": PostedPrice(2.0)},
        {"demand": LogitDemand(0.6)},
        {"demand": LinearDemand(0.5)},
        {"demand": StepDemand()},
        {"tax": PerUnitTax([2.0, 1.0])},
        {"tax": PerUnitTax()},
    ],
    ids=repr,
)
def test_different_specifications_compare_different(change: dict[str, object]) -> None:
    assert specification() != specification(**change)


def test_specifications_print_as_code_that_makes_them() -> None:
    assert eval(repr(specification())) == specification()
