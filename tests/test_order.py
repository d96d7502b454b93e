"""Whole lines come early and not all at once."""

import itertools

from tests.order import EARLY_SHARE, places

LINES, OTHERS = [f"integration/test_{number}.py" for number in range(10)], [f"fusion/test_{n}.py" for n in range(40)]


def test_lines_are_spread_among_other_files_and_none_comes_last() -> None:
    order = places([*OTHERS, *LINES])
    sorted_files = sorted(order, key=order.__getitem__)
    found = [sorted_files.index(line) for line in LINES]
    assert found == sorted(found), "in their order"
    assert found[0] <= 1
    assert all(2 <= late - early <= 8 for early, late in itertools.pairwise(found))
    assert found[-1] <= len(sorted_files) * EARLY_SHARE


def test_files_of_one_kind_keep_their_order() -> None:
    assert list(places(LINES)) == LINES
    assert sorted(places(OTHERS).values()) == list(places(OTHERS).values())
    assert places([]) == {}
