"""Answers reach the feedback topic once each, whatever fails on the way."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from inspector.archive.tables_review import REVIEW_OUTBOX
from inspector.review.findings import parse_finding
from inspector.review.outbox import CLAIM_S, FeedbackPublisher, Outbox
from protos.inspection.v1.records_pb2 import Feedback
from streams.embedded import EmbeddedLog
from streams.log import LogUnavailableError
from streams.records import Output
from tests.inspector.review.conftest import Floors
from tests.inspector.review.desk_parts import Floor


class Topic:
    """A log that keeps published records, and can be away."""

    def __init__(self) -> None:
        self.records: list[Output] = []
        self.is_away = False
        self.dies_after_flush = False

    def publisher(self) -> "Topic":
        return self

    def publish(self, outputs: Sequence[Output]) -> None:
        if self.is_away:
            raise LogUnavailableError("the log is away")
        self.records.extend(outputs)

    def flush(self) -> None:
        if self.dies_after_flush:
            raise KeyboardInterrupt

    def close(self) -> None: ...


def answered(floors: Floors, *names: str) -> Floor:
    floor = floors()
    floor.add(names)
    floor.queue()
    while held := floor.desk.next_piece("ada"):
        floor.desk.answer("ada", held.token, parse_finding("nok", ("dent",)))
    return floor


def publisher(floor: Floor, topic: Topic) -> FeedbackPublisher:
    return FeedbackPublisher(topic, "t", Outbox(floor.database), floor.clock)


def pieces(topic: Topic) -> list[str]:
    return [Feedback.FromString(record.value).inspection.piece_id for record in topic.records]


def test_an_answer_waits_for_the_time_of_an_undo_and_then_goes_out_once(floors: Floors) -> None:
    floor, topic = answered(floors, "a"), Topic()
    assert publisher(floor, topic).publish_next() == 0
    floor.clock.advance(11)
    assert [publisher(floor, topic).publish_next() for _ in range(2)] == [1, 0]
    (record,) = topic.records
    assert (record.topic, record.key, record.type) == ("t.line-1.feedback", b"station-1", "inspection.v1.Feedback")
    message = Feedback.FromString(record.value)
    assert (message.author, list(message.defects), message.given_ns > 0, len(message.id) > 20) == (
        "ada",
        ["dent"],
        True,
        True,
    )


def test_answers_are_kept_while_the_log_is_away_and_published_in_order(floors: Floors) -> None:
    floor, topic = answered(floors, "a", "b", "c"), Topic()
    floor.clock.advance(11)
    topic.is_away = True
    with pytest.raises(LogUnavailableError):
        publisher(floor, topic).publish_next()
    topic.is_away = False
    assert publisher(floor, topic).publish_next() == 3
    assert pieces(topic) == ["a", "b", "c"]
    assert Outbox(floor.database).num_unsent() == 0


def test_a_process_that_dies_behind_the_flush_leads_to_the_same_record_again(floors: Floors) -> None:
    floor, topic = answered(floors, "a"), Topic()
    floor.clock.advance(11)
    topic.dies_after_flush = True
    with pytest.raises(KeyboardInterrupt):
        publisher(floor, topic).publish_next()
    topic.dies_after_flush = False
    assert publisher(floor, topic).publish_next() == 0
    floor.clock.advance(CLAIM_S + 1)
    assert publisher(floor, topic).publish_next() == 1
    first, again = (Feedback.FromString(record.value) for record in topic.records)
    assert first == again


def test_one_process_publishes_at_a_time(floors: Floors) -> None:
    floor = answered(floors, "a", "b")
    floor.clock.advance(11)
    outbox = Outbox(floor.database)
    mine = outbox.claim(floor.clock())
    assert (len(mine), outbox.claim(floor.clock())) == (2, [])
    outbox.sent(mine, floor.clock())


def test_published_rows_are_removed_after_a_week(floors: Floors) -> None:
    floor, topic = answered(floors, "a"), Topic()
    floor.clock.advance(11)
    publisher(floor, topic).publish_next()
    floor.clock.advance(8 * 86_400)
    Outbox(floor.database).sent([], floor.clock())
    with floor.database.read() as connection:
        assert connection.execute(select(REVIEW_OUTBOX.c.id)).all() == []


def test_answers_are_in_a_real_log(floors: Floors, log: EmbeddedLog) -> None:
    floor = answered(floors, "a")
    floor.clock.advance(11)
    work = FeedbackPublisher(log, "t", Outbox(floor.database), floor.clock)
    assert work.publish_next() == 1
