"""Conditions that no verdict shows: ended silences, a failing archive, refusing workers, unstored alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event

import pytest
from prometheus_client import CollectorRegistry, Gauge

from inspector.alerts import courier
from inspector.alerts.alert import What
from inspector.alerts.desk import Finding
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.place import Place
from inspector.alerts.settings import WebhookSettings
from inspector.alerts.watch import FailingArchive, RecordingsAtLimit, Watch
from inspector.archive.database import Database
from inspector.verdicts.follow import StoreError
from tests.inspector.alerts.delivering import Deliveries, eventually
from tests.inspector.alerts.receiver import running_receiver

NS = 10**9
FINDING = Finding(Place("refused-engine", "a", "", "worker-1 cup"), "act_now", "a worker refuses", "int8 differs")


@dataclass
class Told:
    """A probe that finds prepared faults."""

    condition: str = "refused-engine"
    findings: Sequence[Finding] | None = ()

    def find(self) -> Sequence[Finding] | None:
        return self.findings


@dataclass
class Watched:
    """A desk that is watched by hand."""

    deliveries: Deliveries
    probe: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.metrics = AlertMetrics(CollectorRegistry())
        self.watch = Watch(self.deliveries.desk, [self.probe], self.deliveries.emergencies, self.metrics, Event())

    @property
    def open_keys(self) -> list[str]:
        return [alert.key for alert in self.deliveries.desk.overview().alerts]


def test_a_finding_is_one_alert_while_it_lasts(database: Database) -> None:
    watched = Watched(Deliveries(database, WebhookSettings("hook")))
    watched.probe.findings = [FINDING]
    for second in range(3):
        watched.watch.tick(second * NS)
    (key,) = watched.open_keys
    watched.probe.findings = ()
    watched.watch.tick(5 * NS)
    assert watched.open_keys == []
    watched.probe.findings = [FINDING]
    watched.watch.tick(9 * NS)
    assert watched.open_keys != [key]
    assert watched.metrics.open.labels("act_now")._value.get() == 1


def test_a_restart_does_not_end_an_alert_before_its_probe_can_tell(sqlite: Database) -> None:
    deliveries = Deliveries(sqlite)
    first = Watched(deliveries)
    first.probe.findings = [FINDING]
    first.watch.tick(NS)
    keys = first.open_keys
    second = Watched(deliveries, Told(findings=None))
    second.watch.tick(2 * NS)
    assert second.open_keys == keys
    second.probe.findings = [FINDING]
    second.watch.tick(3 * NS)
    assert second.open_keys == keys


def test_a_silence_ends_in_time_and_says_so(sqlite: Database) -> None:
    deliveries = Deliveries(sqlite, WebhookSettings("hook"))
    alert = deliveries.raised(1)
    silenced = deliveries.desk.silence(alert.key, 60, "Ann", "")
    watched = Watched(deliveries)
    assert silenced.silence is not None
    watched.watch.tick(silenced.silence.until_ns - 1)
    assert deliveries.desk.alert(alert.key).silence is not None
    watched.watch.tick(silenced.silence.until_ns)
    assert deliveries.desk.alert(alert.key).silence is None
    last = deliveries.desk.history(alert.key)[-1].event
    assert (last.what, last.who, last.note) == (What.SILENCE_ENDED, "", "its time is over")
    assert deliveries.num_undelivered() == 3


def test_old_alerts_are_removed_with_their_history(sqlite: Database) -> None:
    deliveries = Deliveries(sqlite)
    alert, still_open = deliveries.raised(1), deliveries.raised(2)
    deliveries.resolved(alert)
    deliveries.desk.remove_old(alert.raised_ns + 399 * 86_400 * NS)
    assert len(deliveries.all_keys()) == 2
    deliveries.desk.remove_old(alert.raised_ns + 401 * 86_400 * NS)
    assert deliveries.all_keys() == {still_open.key}
    assert deliveries.desk.history(alert.key) == []


def test_a_failing_archive_is_found_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, now_s = CollectorRegistry(), [0.0]
    probe = FailingArchive(registry, lambda: now_s[0])
    assert probe.find() == ()
    failing = Gauge("inspector_archive_failing", "as the archive's", registry=registry)
    failing.set(1)
    assert probe.find() == ()
    now_s[0] = 9.0
    assert probe.find() == ()
    now_s[0] = 10.0
    (finding,) = probe.find()
    assert finding.place.condition == "archive"
    failing.set(0)
    assert probe.find() == ()


def test_an_archive_that_does_not_run_is_found_too() -> None:
    registry, now_s = CollectorRegistry(), [0.0]
    up = Gauge("inspector_floor_part_up", "as the floor's", ["part"], registry=registry).labels("archive")
    probe = FailingArchive(registry, lambda: now_s[0])
    up.set(0)
    assert probe.find() == ()
    now_s[0] = 10.0
    assert [finding.place.condition for finding in probe.find()] == ["archive"]
    up.set(1)
    assert probe.find() == ()


def test_recordings_at_their_limit_are_found_once_somebody_has_looked() -> None:
    registry = CollectorRegistry()
    probe = RecordingsAtLimit(registry)
    assert probe.find() is None
    at_limit = Gauge("inspector_recordings_at_limit", "as the recordings'", ["decision"], registry=registry)
    for decision in ("pass", "fail", "review"):
        at_limit.labels(decision).set(decision == "fail")
    findings = probe.find()
    assert findings is not None
    assert [(finding.place.part, finding.level) for finding in findings] == [("FAIL", "look_later")]
    assert "fail_bytes" in findings[0].detail
    at_limit.labels("fail").set(0)
    assert probe.find() == []


def test_what_cannot_be_stored_is_delivered_all_the_same_and_stored_later_under_the_same_key(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "POLL_S", 0.02)
    monkeypatch.setattr(courier, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(courier, "MAX_DELAY_S", 0.05)
    with running_receiver() as receiver:
        watched = Watched(Deliveries(sqlite, WebhookSettings("hook", receiver.url)))
        watched.probe.findings = [FINDING]

        def full() -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched, watched.deliveries.running():
            patched.setattr(sqlite, "write", full)
            watched.watch.tick(NS)
            watched.watch.tick(2 * NS)
            eventually(lambda: len(receiver.bodies) == 1)
        assert watched.open_keys == []
        with watched.deliveries.running():
            watched.watch.tick(3 * NS)
            (key,) = watched.open_keys
            watched.probe.findings = ()
            watched.watch.tick(4 * NS)
            eventually(lambda: receiver.bodies[-1]["event"] == "resolved")
    assert {each["key"] for each in receiver.bodies} == {key}
    assert [each["event"] for each in receiver.bodies[:-1]].count("raised") >= 2
    assert len({each["raised_at"] for each in receiver.bodies}) == 1
