"""Which pieces people look at."""

import pytest
from sqlalchemy import select

from inspector.archive.schema import HOLDS
from inspector.archive.tables_review import REVIEW_PIECES
from inspector.recipe.keep import Keep
from inspector.review.choice import decisions_shown, is_wanted, num_wanted
from inspector.review.queue import BATCH
from inspector.review.settings import ReviewSettings
from protos.inspection.v1.verdict_pb2 import DecisionReason
from tests.inspector.review.conftest import Floors
from tests.inspector.review.desk_parts import FAIL, PASS, REVIEW, Floor, piece


def waiting(floor: Floor) -> list[str]:
    query = select(REVIEW_PIECES.c.piece_id).where(REVIEW_PIECES.c.closed_ns.is_(None)).order_by(REVIEW_PIECES.c.key)
    with floor.database.read() as connection:
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize(
    ("decision", "settings", "is_chosen"),
    [
        (REVIEW, ReviewSettings(), True),
        (FAIL, ReviewSettings(), False),
        (FAIL, ReviewSettings(fails=True), True),
        (PASS, ReviewSettings(), False),
        (PASS, ReviewSettings(pass_share=1.0), True),
    ],
)
def test_review_pieces_are_wanted_always_and_others_by_choice(
    decision: int, settings: ReviewSettings, is_chosen: bool
) -> None:
    assert is_wanted(piece("a"), decision, DecisionReason.DECISION_REASON_UNCERTAIN, settings) is is_chosen


def test_a_piece_whose_id_was_read_twice_is_not_asked_about() -> None:
    assert not is_wanted(piece("a"), REVIEW, DecisionReason.DECISION_REASON_ID_READ_TWICE, ReviewSettings())


def test_the_sample_of_pass_is_the_same_each_time_and_another_one_with_another_seed() -> None:
    def sample(seed: int) -> list[int]:
        settings = ReviewSettings(pass_share=0.05, seed=seed)
        reason = DecisionReason.DECISION_REASON_GOOD
        return [n for n in range(4000) if is_wanted(piece(str(n)), PASS, reason, settings)]

    assert sample(1) == sample(1) != sample(2)
    assert 150 < len(sample(1)) < 250


def test_the_sample_of_pass_lies_within_what_recipes_keep() -> None:
    keep, settings = Keep(pass_share=0.1), ReviewSettings(pass_share=0.05)
    for number in range(2000):
        inspection = piece(str(number))
        is_chosen = is_wanted(inspection, PASS, DecisionReason.DECISION_REASON_GOOD, settings)
        assert keep.wants(inspection, PASS) or not is_chosen


def test_second_opinions_are_drawn_apart_from_the_sample_of_pass() -> None:
    settings = ReviewSettings(pass_share=0.1, second_share=0.1)
    reason = DecisionReason.DECISION_REASON_GOOD
    passed = [n for n in range(4000) if is_wanted(piece(str(n)), PASS, reason, settings)]
    both = sum(num_wanted(piece(str(n)), settings) == 2 for n in passed)
    assert 15 < both < 75


def test_decisions_that_the_queue_may_hold() -> None:
    assert decisions_shown(ReviewSettings()) == {REVIEW}
    assert decisions_shown(ReviewSettings(fails=True, pass_share=0.1)) == {REVIEW, FAIL, PASS}


def test_each_verdict_is_taken_in_once_by_any_number_of_processes(floors: Floors) -> None:
    floor = floors()
    names = [f"p{n}" for n in range(BATCH + 20)]
    floor.add(names)
    floor.add(["passed"], PASS)
    floor.queue()
    floor.queue()
    assert waiting(floor) == names


def test_a_verdict_that_comes_again_is_not_asked_about_again(floors: Floors) -> None:
    floor = floors()
    floor.add(["a"])
    floor.queue()
    floor.add(["a", "b"])
    floor.queue()
    assert waiting(floor) == ["a", "b"]


def test_a_full_queue_takes_nothing_in_until_pieces_are_answered(floors: Floors) -> None:
    floor = floors(max_waiting=2)
    floor.add(["a", "b", "c"])
    floor.queue()
    assert waiting(floor) == ["a", "b"]


def test_a_piece_waits_for_its_recordings_and_leaves_without_them(floors: Floors) -> None:
    floor = floors(recordings_wait_s=60)
    floor.add(["bare"], recordings=False)
    floor.add(["whole"])
    floor.queue()
    held = floor.desk.hold("ada", 2)
    assert [floor.name(one.verdict_key) for one in held] == ["whole"]
    floor.clock.advance(61)
    floor.queue()
    assert waiting(floor) == ["whole"]


def test_pieces_under_review_are_held_from_retention(floors: Floors) -> None:
    floor = floors()
    floor.add(["a"])
    floor.queue()
    with floor.database.read() as connection:
        held = connection.execute(select(HOLDS.c.verdict_key, HOLDS.c.holder)).all()
    assert [tuple(row) for row in held] == [(floor.row("a").key, "review")]


def test_a_piece_that_nobody_answers_leaves_the_queue_and_is_held_no_more(floors: Floors) -> None:
    floor = floors(max_age_days=2.0)
    floor.add(["a"])
    floor.queue()
    floor.clock.advance(86_400)
    floor.add(["b"])
    floor.queue()
    floor.clock.advance(86_401)
    floor.queue()
    assert waiting(floor) == ["b"]
    with floor.database.read() as connection:
        assert connection.execute(select(HOLDS.c.verdict_key)).scalars().all() == [floor.row("b").key]
