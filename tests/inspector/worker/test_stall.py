"""Finds input and pieces that are stalled, but none that wait for a reason."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from inspector.recipe.recipes import Recipes
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.settings import StallSettings
from inspector.worker.shards import Shards, ShardSettings
from inspector.worker.stall import StallWatch
from inspector.worker.watchdog import Watchdog
from streams.decode.limits import Limits
from streams.join.assembly import JoinSettings
from streams.join.join_metrics import NoMetrics
from streams.log import Assignment, Batch
from streams.records import Record, Shard, TopicPartition
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver
from tests.line import RECIPE, TOPICS, frame

NOW_NS = 1_700_000_000_000_000_000
FRAMES, SIGNALS = (TopicPartition(TOPICS.of(kind), 0) for kind in ("frames", "signals"))
NEIGHBOUR = TopicPartition(TOPICS.of("frames"), 1)
UNREAD = Batch(None, unread=frozenset({SIGNALS}), lag={SIGNALS: 175})


@pytest.fixture
def shards() -> Iterator[Shards]:
    with closing(Resolver(ReferenceSettings(), Limits())) as resolver:
        settings = ShardSettings("qa", ("line-1",), JoinSettings(), Limits())
        owned = Shards(settings, Recipes([RECIPE]), resolver, NoMetrics())
        for partition in (0, 1):
            owned.assign(Assignment(Shard("line-1", partition), {}, dict.fromkeys(TOPICS.inputs, 0)))
        yield owned


def record(at: TopicPartition, offset: int = 0) -> Record:
    output = frame(f"p{offset}", NOW_NS)
    return Record(at.topic, at.partition, offset, output.key, output.value, output.type, NOW_NS)


def watched(
    shards: Shards, batch: Batch, seconds: int, *, paused: frozenset[TopicPartition] = frozenset()
) -> StallWatch:
    """A watch that has seen the same turn every second."""
    watch = StallWatch(StallSettings(after_s=30.0, max_wait_s=2.0), 0.0)
    for now_s in range(1, seconds + 1):
        watch.turn(shards, batch, paused, float(now_s))
    return watch


def test_unread_input_that_is_never_delivered_stands_still(shards: Shards) -> None:
    (finding,) = watched(shards, UNREAD, 31).findings
    assert finding.startswith(
        "line line-1: qa.line-1.signals, partition 0, holds 175 unread records but delivered none"
    )


def test_one_shard_stands_still_while_another_one_runs(shards: Shards) -> None:
    batch = Batch(None, [record(NEIGHBOUR)], unread=frozenset({SIGNALS}))
    assert len(watched(shards, batch, 31).findings) == 1


def test_a_topic_stands_still_while_another_of_its_shard_runs(shards: Shards) -> None:
    batch = Batch(None, [record(FRAMES)], unread=frozenset({SIGNALS}))
    assert len(watched(shards, batch, 31).findings) == 1


BACKLOG = Batch(None, [record(NEIGHBOUR)], unread=frozenset({SIGNALS, NEIGHBOUR}))
WAITS: Mapping[str, tuple[Batch, int, frozenset[TopicPartition]]] = {
    "not long yet": (UNREAD, 29, frozenset()),
    "nothing to read": (Batch(None), 3600, frozenset()),
    "records come": (Batch(None, [record(SIGNALS)], unread=frozenset({SIGNALS})), 3600, frozenset()),
    "a neighbour's backlog is read first": (BACKLOG, 290, frozenset()),
    "paused behind another topic": (Batch(None, [record(SIGNALS)], unread=frozenset({FRAMES, SIGNALS})), 3600,
                                    frozenset({FRAMES})),
}  # fmt: skip


@pytest.mark.parametrize("case", WAITS)
def test_input_that_waits_for_a_reason_does_not_stand_still(shards: Shards, case: str) -> None:
    batch, seconds, paused = WAITS[case]
    assert watched(shards, batch, seconds, paused=paused).findings == ()


def test_a_backlog_is_no_reason_forever(shards: Shards) -> None:
    assert len(watched(shards, BACKLOG, 310).findings) == 1


def test_all_paused_partitions_of_a_shard_stand_still(shards: Shards) -> None:
    batch = Batch(None, unread=frozenset({FRAMES, SIGNALS}))
    assert len(watched(shards, batch, 31, paused=frozenset({FRAMES, SIGNALS})).findings) == 2


@pytest.mark.parametrize(("seconds", "stands"), [(32, False), (34, True)])
def test_a_piece_that_never_closes_stands_still(shards: Shards, seconds: int, stands: bool) -> None:
    """Its delay of two seconds is not counted."""
    shards.add(record(FRAMES))
    findings = watched(shards, Batch(None), seconds).findings
    assert any("piece p0 of station st has not closed" in finding for finding in findings) is stands


@pytest.mark.parametrize(("seconds", "stands"), [(29, False), (31, True)])
def test_a_log_that_does_not_answer_stands_still(seconds: int, stands: bool) -> None:
    """Even for a worker without shards: it cannot know what there is to do."""
    with closing(Resolver(ReferenceSettings(), Limits())) as resolver:
        none = Shards(
            ShardSettings("qa", ("line-1",), JoinSettings(), Limits()), Recipes([RECIPE]), resolver, NoMetrics()
        )
        findings = watched(none, Batch(None, connection_problem="Kafka does not answer"), seconds).findings
    assert bool(findings) is stands


def test_an_outage_counts_once(shards: Shards) -> None:
    """Partitions are not reported in addition, and have their full time after the outage."""
    watch = watched(shards, Batch(None, unread=frozenset({SIGNALS}), connection_problem="Kafka does not answer"), 100)
    assert len(watch.findings) == 1
    watch.turn(shards, UNREAD, frozenset(), 101.0)
    assert not watch.findings


def test_commits_that_are_always_refused_stand_still(shards: Shards) -> None:
    watch = StallWatch(StallSettings(after_s=30.0), 0.0)
    for now_s in range(1, 32):
        watch.turn(shards, Batch(None, [record(SIGNALS)]), frozenset(), float(now_s))
        if now_s % 10 == 0:
            watch.refused()
    assert watch.findings == ("the last 3 commits were refused, and none succeeded for 31 s",)


def test_progress_ends_the_stall(shards: Shards) -> None:
    watch = watched(shards, UNREAD, 100)
    watch.turn(shards, Batch(None, [record(SIGNALS)], unread=frozenset({SIGNALS})), frozenset(), 101.0)
    assert watch.findings == ()


def test_a_process_that_was_suspended_has_not_stood_still(shards: Shards) -> None:
    watch = watched(shards, UNREAD, 3)
    watch.turn(shards, UNREAD, frozenset(), 3600.0)
    assert watch.findings == ()


class Reports(list[bool]):
    """The notifications that health receives."""


def look(dog: Watchdog, seconds: int) -> None:
    for now_s in range(seconds):
        dog.look(float(now_s))


def test_a_loop_that_hangs_is_seen_from_outside(caplog: pytest.LogCaptureFixture) -> None:
    metrics, reports = WorkerMetrics(registry := CollectorRegistry()), Reports()
    watch = StallWatch(StallSettings(), 0.0)
    dog = Watchdog(watch, metrics, [reports.append])
    watch.doing("judging pieces")
    look(dog, 33)
    assert reports == [True]
    assert registry.get_sample_value("inspector_line_stands_still") == 1
    assert "the main loop has been judging pieces for 31 s. To do: if the log" in caplog.text
    watch.doing("committing")
    look(dog, 1)
    assert reports == [True, False]
    assert registry.get_sample_value("inspector_line_stands_still") == 0
    assert registry.get_sample_value("inspector_standstills_total") == 1


def test_a_judge_that_hangs_is_seen_while_the_loop_continues(caplog: pytest.LogCaptureFixture) -> None:
    watch, reports = StallWatch(StallSettings(), 0.0), Reports()
    dog = Watchdog(watch, WorkerMetrics(CollectorRegistry()), [reports.append])
    watch.judging(3)
    for now_s in range(33):
        watch.doing("polling")
        dog.look(float(now_s))
    assert reports == [True]
    assert "stands still: the judge has been judging 3 pieces for 31 s. To do: if the log" in caplog.text
    watch.judging(0)
    for now_s in range(33, 99):
        watch.doing("polling")
        dog.look(float(now_s))
    assert reports == [True, False], "an idle judge is not stuck"


def test_a_standstill_is_logged_once_in_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    watch = StallWatch(StallSettings(), 0.0)
    watch.findings = ("line l1 waits",)
    dog = Watchdog(watch, WorkerMetrics(CollectorRegistry()), [Reports().append])
    for now_s in range(601):
        watch.doing("polling")
        dog.look(float(now_s))
    assert [entry.levelname for entry in caplog.records] == ["ERROR", "ERROR"]
