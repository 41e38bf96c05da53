from tests.support.ids import steady

from walras.market import Property


def test_sets_are_named_in_one_order() -> None:
    assert steady({Property.FEASIBLE, Property.ANONYMOUS}) == "ANONYMOUS,FEASIBLE"
    assert steady(frozenset({2, 1})) == "1,2"
    assert steady(set()) == "none"
    assert steady(1.5) == "1.5"
