"""Nothing that a person or a script at the desk can see tells a known piece from another one. Headers, addresses and
files: tests/inspector/web/review/test_review_hidden.py."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, event, update

from inspector.archive.schema import VERDICTS
from inspector.archive.tables_recordings import PIECE_RECORDINGS
from inspector.review.filling import Filling
from inspector.review.findings import Finding, parse_finding
from inspector.review.known import KnownPieces
from inspector.review.metrics import ReviewMetrics
from inspector.review.outbox import Outbox
from protos.inspection.v1.verdict_pb2 import DecisionReason
from tests.inspector.review.conftest import Floors
from tests.inspector.review.desk_parts import FAIL, Floor
from tests.inspector.review.test_desk import NOK, OK, UNSURE, known, published, ready, work
from tests.inspector.review.test_outbox import Topic, publisher
from tests.inspector.review.test_outbox import pieces as pieces_of

ALWAYS, NEVER = 0.0, 0.9


def desk(floors: Floors, **settings: object) -> Floor:
    """Nine pieces, and two known ones that look like them."""
    floor = ready(floors, *(f"p{number}" for number in range(9)), known_share=0.5, **settings)
    known(floor, "known-1", "known-2")
    return floor


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of the database, in order, without values."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def verbs(seen: list[str]) -> list[str]:
    """What each does, and to which of the tables, where a known piece stands in the place of another."""
    words = [statement.replace("review_known", "review_pieces").split() for statement in seen]
    return [f"{each[0]} {next((word for word in each if 'review_' in word or word == 'holds'), '')}" for each in words]


@pytest.mark.parametrize("finding", [OK, NOK, UNSURE], ids=["ok", "nok", "unsure"])
@pytest.mark.parametrize("is_sent", [False, True])
def test_answer_and_undo_of_a_known_piece_take_the_same_steps(floors: Floors, finding: Finding, is_sent: bool) -> None:
    """So they take the same time."""
    floor, topic = desk(floors, second_after_unsure=True), Topic()
    taken = []
    for draw in (NEVER, ALWAYS):
        floor.draws = iter([draw, NEVER])
        held = floor.desk.next_piece("ada")
        assert held is not None
        assert floor.name(held.verdict_key).startswith("known") == (draw == ALWAYS)
        with statements() as answered:
            floor.desk.answer("ada", held.token, finding)
        if is_sent:
            floor.clock.advance(60)
            publisher(floor, topic).publish_next()
        with statements() as undone:
            assert floor.desk.undo("ada")
        floor.desk.answer("ada", held.token, finding)
        taken.append((verbs(answered), verbs(undone)))
    assert taken[0] == taken[1]


@pytest.mark.parametrize("draw", [NEVER, ALWAYS])
def test_lending_a_known_piece_takes_as_many_steps(floors: Floors, draw: float) -> None:
    floor = desk(floors)
    floor.draws = iter([draw])
    with statements() as seen:
        floor.desk.next_piece("ada")
    assert [verb.split()[0] for verb in verbs(seen)].count("SELECT") == 4
    assert sum(verb.split()[0] in ("UPDATE", "INSERT") for verb in verbs(seen)) == 3


def test_the_metrics_tell_a_known_piece_from_no_other(floors: Floors) -> None:
    """Everybody who sees the page may read them: answers on their way, and how many pieces wait."""
    floor, registry, topic = desk(floors), CollectorRegistry(), Topic()
    filling = Filling(floor.database, floor.settings, Outbox(floor.database), ReviewMetrics(registry), floor.clock)
    seen = []
    for draw in (NEVER, ALWAYS, NEVER):
        floor.draws = iter([draw])
        held = floor.desk.next_piece("ada")
        assert held is not None
        floor.desk.answer("ada", held.token, OK)
        filling.step()
        names = ("inspector_review_waiting", "inspector_review_answers_unpublished")
        seen.append(tuple(registry.get_sample_value(name) for name in names))
    assert seen == [(10, 1), (10, 2), (10, 3)]
    floor.clock.advance(60)
    publisher(floor, topic).publish_next()
    filling.step()
    assert registry.get_sample_value("inspector_review_answers_unpublished") == 0
    assert [name for name, _, _ in published(floor)] == pieces_of(topic) == ["p0", "p1"]


@pytest.mark.parametrize(
    "other",
    [
        {"line": "line-2"},
        {"station": "station-2"},
        {"product": "cup"},
        {"decision": FAIL},
        {"reason": DecisionReason.DECISION_REASON_UNCERTAIN + 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_known_piece_comes_only_before_a_piece_that_looks_like_it(floors: Floors, other: dict[str, object]) -> None:
    """Where few pieces of the queue are FAIL and many known ones are, a FAIL would most often be a known piece."""
    floor = desk(floors, fails=True)
    with floor.database.write() as connection:
        connection.execute(update(VERDICTS).where(VERDICTS.c.piece_id.startswith("known")).values(**other))
    floor.draws = iter([ALWAYS] * 20)
    assert work(floor, "ada") == [f"p{number}" for number in range(9)]


@pytest.mark.parametrize("change", ["a sensor less", "a sensor more", "a picture more"])
def test_a_known_piece_comes_only_before_a_piece_with_the_same_recordings(floors: Floors, change: str) -> None:
    """A line that got a camera since shows it on each piece of today."""
    floor = desk(floors)
    for number in (1, 2):
        name = f"known-{number}"
        if change == "a sensor less":
            gone = (PIECE_RECORDINGS.c.verdict_key == floor.row(name).key, PIECE_RECORDINGS.c.source == "mic")
            with floor.database.write() as connection:
                connection.execute(update(PIECE_RECORDINGS).where(*gone).values(sha256=None))
        elif change == "a sensor more":
            floor.keep(name, "side", "image", "png", b"side")
        else:
            floor.keep(name, "top", "image", "png", b"more", sequence=1)
    floor.draws = iter([ALWAYS] * 20)
    assert work(floor, "ada") == [f"p{number}" for number in range(9)]


def test_two_people_never_hold_the_same_known_piece(floors: Floors) -> None:
    """They sit next to each other, and get no other piece twice."""
    floor = desk(floors)
    floor.draws = iter([ALWAYS] * 20)
    held = [floor.desk.next_piece(name) for name in ("ada", "bob", "eve")]
    names = [floor.name(each.verdict_key) for each in held if each is not None]
    assert sorted(names[:2]) == ["known-1", "known-2"]
    assert names[2] == "p0"


def test_a_retired_piece_in_the_hand_is_answered_as_any_other(floors: Floors) -> None:
    floor = desk(floors)
    floor.draws = iter([ALWAYS] * 20)
    held = floor.desk.next_piece("ada")
    assert held is not None
    pieces = KnownPieces(floor.database)
    for each in pieces.all():
        pieces.retire(each.key, floor.clock())
    floor.desk.answer("ada", held.token, parse_finding("ok"))
    assert floor.desk.undo("ada")
    again = floor.desk.next_piece("ada")
    assert again is not None
    assert again.token == held.token
