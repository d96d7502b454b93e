"""Chooses the first float-layer rule that flips no more than before, else the one with the fewest flips."""

from typing import NamedTuple

import pytest

from inspector.compile.float_layers import FLOAT_LAYER_RULES, fewest_flips
from inspector.parity.report import Change, ParityReport
from inspector.parity.schema import Prediction

PASS, FAIL = (Prediction(decision=decision, score=0.5, route="all", experts=()) for decision in ("PASS", "FAIL"))


class Trial(NamedTuple):
    name: int
    report: ParityReport


def trial(name: int, flips: int, new_passes: int = 0) -> Trial:
    changes = [Change(piece_id="p", label="ok", expected=PASS, found=FAIL)] * flips
    changes += [Change(piece_id="p", label="nok", expected=FAIL, found=PASS)] * new_passes
    return Trial(
        name,
        ParityReport(bundle="", engine="", num_pieces=9, num_calibration=9, max_difference=0.0, changes=tuple(changes)),
    )


@pytest.mark.parametrize(
    ("flips", "enough", "chosen", "tried"),
    [([0, 0], 0, 0, 1), ([2, 0, 0], 0, 1, 2), ([2, 1, 3], 0, 1, 3), ([2, 1, 0], 1, 1, 2), ([2, 2], 0, 0, 2)],
)
def test_no_more_is_tried_than_it_takes(flips: list[int], enough: int, chosen: int, tried: int) -> None:
    trials = iter([trial(name, num) for name, num in enumerate(flips)])
    best = fewest_flips(trials, enough)
    assert best is not None
    assert (best.name, len(list(trials))) == (chosen, len(flips) - tried)


def test_a_new_pass_of_a_defective_piece_is_worse_than_any_flip() -> None:
    best = fewest_flips(iter([trial(0, 0, new_passes=1), trial(1, 3)]), 1)
    assert best is not None
    assert best.name == 1
    assert fewest_flips(iter([]), 0) is None


def test_what_is_left_out() -> None:
    assert [rule.of(["a", "b", "c"]) for rule in FLOAT_LAYER_RULES] == [set(), {"a"}, {"c"}, {"a", "c"}]
    assert FLOAT_LAYER_RULES[3].description == " without the first and the last product"
