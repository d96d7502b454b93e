"""Figures of agreement against what others computed, and sentences where there is too little."""

import builtins
from collections.abc import Mapping

import pytest

from inspector.review.agreement import (
    AgreementError,
    Answered,
    against_truth,
    between_people,
    kappa,
    num_needed,
    proportion,
    too_few,
)
from protos.inspection.v1.records_pb2 import Label

OK, NOK, UNSURE = Label.LABEL_OK, Label.LABEL_NOK, Label.LABEL_UNSURE


def pairs(table: Mapping[tuple[int, int], int]) -> list[Answered]:
    return [Answered(*both) for both, times in table.items() for _ in range(times)]


def test_kappa_of_a_textbook() -> None:
    """Two readers, 50 proposals: 20 both yes, 15 both no, 5 and 10 apart: kappa 0.4."""
    result = kappa(pairs({(OK, OK): 20, (OK, NOK): 5, (NOK, OK): 10, (NOK, NOK): 15}))
    assert result is not None
    assert result.value == pytest.approx(0.4)
    assert result.low < 0.4 < result.high


def test_kappa_is_not_told_where_one_side_has_only_one_answer() -> None:
    assert kappa(pairs({(OK, OK): 40})) is None
    assert kappa(pairs({(OK, OK): 40, (NOK, OK): 3})) is None
    assert kappa([]) is None


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.3085), (3, 10, 0.0667, 0.6525), (10, 10, 0.6915, 1.0), (0, 0, 0.0, 1.0)],
)
def test_proportions_are_exact(count: int, total: int, low: float, high: float) -> None:
    result = proportion(count, total)
    assert [result.low, result.high] == pytest.approx([low, high], abs=1e-4)


def test_both_kinds_of_error_are_apart() -> None:
    answers = pairs({(OK, OK): 18, (OK, NOK): 2, (NOK, NOK): 9, (NOK, OK): 1, (NOK, UNSURE): 3})
    errors = against_truth("ada", answers)
    assert (errors.false_alarms.count, errors.false_alarms.total) == (2, 20)
    assert (errors.misses.count, errors.misses.total) == (1, 10)
    assert (errors.unsure.count, errors.unsure.total) == (3, 33)


def test_too_few_pieces_are_said_with_the_number_that_lacks() -> None:
    notes = against_truth("ada", pairs({(NOK, NOK): 50, (OK, OK): 60})).notes
    assert notes == (
        "0 misses in 50 defective known pieces: this cannot show at most 2%, for which 149 without an error are needed "
        "(99 more)",
    )
    assert too_few("misses", proportion(0, 149), "pieces", 0.02) == ()


def test_pieces_needed_without_an_error() -> None:
    assert (num_needed(0.02), num_needed(0.008), num_needed(0.05)) == (149, 373, 59)


def test_two_people() -> None:
    pair = between_people("ada", "bob", pairs({(OK, OK): 6, (NOK, OK): 2, (OK, NOK): 1, (UNSURE, OK): 4}))
    assert (pair.equal.count, pair.only_first_nok.count, pair.only_second_nok.count) == (6, 2, 1)
    assert pair.notes == ("only 9 pieces were answered by both: below 50 kappa says little, read the interval",)


def test_without_statsmodels_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: object) -> object:
        if name.startswith("statsmodels"):
            raise ModuleNotFoundError("No module named 'statsmodels'", name="statsmodels")
        return original(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AgreementError, match=r"pip install '.\[agreement\]'"):
        proportion(1, 2)
