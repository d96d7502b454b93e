"""Counting what came back of what was sent."""

import pytest

from tests.benchmarks.rivals.counting import Tally, tally

SENT = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([("a", 1), ("b", 2), ("c", 3)], Tally(3, 0, 0, 0, 0)),
        ([("a", 1)], Tally(3, 2, 0, 0, 0)),
        ([("a", 1), ("a", 1), ("b", 2), ("a", 1), ("c", 3)], Tally(3, 0, 2, 0, 0)),
        ([("a", 1), ("a", 2), ("a", 3), ("b", 2), ("c", 3)], Tally(3, 0, 2, 1, 0)),
        ([("a", 2), ("b", 2), ("c", 1)], Tally(3, 0, 0, 0, 2)),
        ([("a", 2), ("a", 1), ("b", 2), ("c", 3)], Tally(3, 0, 1, 1, 1)),
        ([], Tally(3, 3, 0, 0, 0)),
    ],
)
def test_pieces_are_lost_doubled_contradicted_or_decided_otherwise(
    results: list[tuple[str, int]], expected: Tally
) -> None:
    assert tally(SENT, results, {"a": 1, "b": 2, "c": 3}) == expected


def test_a_piece_without_an_expectation_differs_from_none() -> None:
    assert tally(SENT, [("c", 2)], {"a": 1}).differing == 0


def test_a_result_of_a_piece_that_was_never_sent_is_an_error() -> None:
    with pytest.raises(ValueError, match="'d', which was never sent"):
        tally(SENT, [("d", 1)], {})
