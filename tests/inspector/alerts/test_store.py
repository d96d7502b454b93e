"""Following verdicts into alerts, on both databases: each alert once, whatever is killed or repeated."""

import random
import time
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from inspector.alerts.alert import Alert, State, What
from inspector.alerts.conditions import conditions_of
from inspector.alerts.desk import AlertDesk
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.settings import AlertSettings, WebhookSettings
from inspector.alerts.store import AlertStore
from inspector.archive.database import Database
from inspector.archive.tables_alerts import ALERT_CHARTS, ALERT_OUTBOX
from inspector.recipe.alerts import CountAlert, RateAlert, RecipeAlert, ScoreAlert
from inspector.verdicts.follow import StoreError
from inspector.verdicts.ring import Entry
from protos.inspection.v1.verdict_pb2 import DecisionReason, Modality, ModalityReason, ModalityState, Verdict
from streams import resume_token
from tests.inspector.alerts.line import FAIL, PASS, PRESENT, SOURCE, entries, recipes, scored, verdict

CRACKS = CountAlert(kind="count", name="cracks", num_bad=3, num_pieces=10, defect_class="crack")
DEFECTS = RateAlert(
    kind="rate", name="defects", before_percent=2, after_percent=20, takt_s=1.0, hours_between_false_alarms=8
)
WORN = ScoreAlert(kind="score", name="worn", sensor="mic", takt_s=1.0, reference_pieces=100)
SETTINGS = AlertSettings(targets=(WebhookSettings("hook", "http://127.0.0.1:9/"), WebhookSettings("other")))


class Follower:
    """A follower's end of a store, which hands entries over and is replaced at will."""

    def __init__(self, database: Database, *alerts: RecipeAlert, settings: AlertSettings = SETTINGS) -> None:
        self.database, self.alerts, self.settings = database, alerts, settings
        self.desk = AlertDesk(database, settings)
        self.restart()

    def restart(self) -> None:
        conditions = conditions_of(recipes(*self.alerts), self.settings)
        metrics = AlertMetrics(CollectorRegistry())
        self.store = AlertStore(self.database, self.desk, conditions, self.settings.max_charts, metrics)
        self.store.token()

    def take(self, batch: Sequence[Entry]) -> None:
        self.store.store(batch, resume_token.encode({SOURCE: batch[-1].offset + 1}))

    def all_alerts(self) -> list[Alert]:
        """Oldest first."""
        alerts = [*self.desk.overview().alerts, *self.desk.resolved(200)]
        return sorted(alerts, key=lambda alert: (alert.raised_ns, alert.place))


def batches(verdicts: Sequence[Verdict], size: int = 7) -> list[list[Entry]]:
    numbered = entries(verdicts)
    return [numbered[start : start + size] for start in range(0, len(numbered), size)]


def outbox(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        rows = connection.execute(select(ALERT_OUTBOX.c.target, ALERT_OUTBOX.c.alert_key).order_by(ALERT_OUTBOX.c.id))
        return [(row.target, row.alert_key) for row in rows]


def shift(seed: int = 1) -> list[Verdict]:
    """Good pieces, a bad spell, good pieces, a microphone that falls silent, good pieces."""
    draws = random.Random(seed)
    shares = [(0.01, 250), (0.4, 60), (0.01, 300)]
    decisions = [FAIL if draws.random() < share else PASS for share, count in shares for _ in range(count)]
    verdicts = [verdict(number, decision) for number, decision in enumerate(decisions)]
    silent = [Modality(name="mic", state=ModalityState.MODALITY_STATE_STALE)]
    verdicts += [verdict(len(verdicts) + number, sensors=silent) for number in range(5)]
    return verdicts + [verdict(len(verdicts) + number) for number in range(20)]


def test_alerts_are_raised_and_resolved_with_their_history(database: Database) -> None:
    follower = Follower(database, CRACKS, DEFECTS)
    for batch in batches(shift()):
        follower.take(batch)
    alerts = follower.all_alerts()
    assert {alert.place.condition for alert in alerts} == {"cup/cracks", "cup/defects", "silent"}
    assert all(alert.state is State.RESOLVED for alert in alerts)
    (silent,) = [alert for alert in alerts if alert.place.condition == "silent"]
    assert silent.place.words == "a/s1 mic"
    assert [past.event.what for past in follower.desk.history(silent.key)] == [What.RAISED, What.RESOLVED]
    assert outbox(database).count(("hook", silent.key)) == outbox(database).count(("other", silent.key)) == 2


def test_whatever_is_killed_and_handed_over_again_each_alert_comes_once_under_the_same_key(database: Database) -> None:
    follower, draws = Follower(database, CRACKS, DEFECTS, WORN), random.Random(2)
    todo = batches(shift(), 5)
    position = 0
    while position < len(todo):
        if draws.random() < 0.2:
            follower.restart()
        if draws.random() < 0.2:
            with pytest.raises(StoreError), killed_before_commit(follower):
                follower.take(todo[position])
            continue
        follower.take(todo[position])
        position = max(0, position - 2) if draws.random() < 0.1 else position + 1  # a position that was not kept
    disturbed = follower.all_alerts()
    events = len(outbox(database))
    with database.write() as connection:
        for table in ("alert_outbox", "alert_silences", "alert_events", "alerts", "alert_charts", "positions"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
    quiet = Follower(database, CRACKS, DEFECTS, WORN)
    quiet.take(entries(shift()))
    assert [(alert.key, alert.detail) for alert in disturbed] == [(a.key, a.detail) for a in quiet.all_alerts()]
    assert len(disturbed) >= 3
    assert events == len(outbox(database))


class killed_before_commit:  # noqa: N801
    """The transaction fails at its very end, as it does when the database is lost."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def __enter__(self) -> None:
        evaluator = self._follower.store._evaluator
        save = evaluator.save

        def fail(connection: object) -> None:
            save(connection)  # type: ignore[arg-type]
            evaluator.save = save  # type: ignore[method-assign]
            raise StoreError("the database is gone")

        evaluator.save = fail  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None: ...


def test_two_floors_on_one_database_raise_each_alert_once(database: Database) -> None:
    first, second = Follower(database, CRACKS), Follower(database, CRACKS)
    for number, batch in enumerate(batches(shift())):
        (first if number % 3 else second).take(batch)
        (second if number % 2 else first).take(batch)
    alone = [alert.key for alert in first.all_alerts()]
    assert len(alone) == len(set(alone)) >= 2
    assert len(outbox(database)) == 2 * sum(len(first.desk.history(key)) for key in alone)


def test_places_are_watched_each_by_itself(sqlite: Database) -> None:
    follower = Follower(sqlite, CRACKS)
    spread = [verdict(number, FAIL, station=f"s{number}") for number in range(9)]
    follower.take(entries([*spread, *(verdict(10 + number, FAIL, station="s1") for number in range(2))]))
    assert [alert.place.station for alert in follower.all_alerts()] == ["s1"]


def test_a_class_is_counted_alone(sqlite: Database) -> None:
    follower = Follower(sqlite, CRACKS)
    follower.take(entries([verdict(number, FAIL, defect_class="stain") for number in range(9)]))
    assert follower.all_alerts() == []


def stuck(number: int) -> Verdict:
    reason = ModalityReason.MODALITY_REASON_FROZEN
    state = ModalityState.MODALITY_STATE_IMPLAUSIBLE
    top = Modality(name="top", state=state, reason=reason)
    return verdict(number, sensors=[top, Modality(name="mic", state=PRESENT)])


def late(number: int) -> Verdict:
    message = verdict(number)
    message.deadline_missed = True
    return message


def waiting(number: int) -> Verdict:
    message = verdict(number)
    message.arrival_ns -= 11 * 10**9
    return message


def faulty(number: int) -> Verdict:
    message = verdict(number)
    message.reason = DecisionReason.DECISION_REASON_ENGINE
    return message


@pytest.mark.parametrize(
    ("make", "num", "condition"),
    [(stuck, 3, "stuck"), (late, 5, "deadline"), (waiting, 5, "lag"), (faulty, 1, "engine-fault")],
)
def test_what_is_not_of_a_recipe_is_watched_too(sqlite: Database, make, num: int, condition: str) -> None:
    follower = Follower(sqlite)
    follower.take(entries([make(number) for number in range(num - 1)] or [verdict(0)]))
    assert follower.all_alerts() == []
    follower.take(entries([make(num)], first=num))
    assert [alert.place.condition for alert in follower.all_alerts()] == [condition]


def test_changed_settings_end_the_alert_and_start_the_chart_again(sqlite: Database) -> None:
    follower = Follower(sqlite, CRACKS)
    follower.take(entries([verdict(number, FAIL) for number in range(3)]))
    follower.alerts = (CRACKS.model_copy(update={"num_bad": 4}),)
    follower.restart()
    (ended,) = follower.all_alerts()
    assert ended.resolution == "the settings of its condition were changed"
    follower.take(entries([verdict(number, FAIL) for number in range(3, 6)], first=3))
    assert len(follower.all_alerts()) == 1


def test_a_condition_that_is_gone_ends_its_alerts(sqlite: Database) -> None:
    follower = Follower(sqlite, CRACKS)
    follower.take(entries([verdict(number, FAIL) for number in range(3)]))
    follower.alerts = ()
    follower.restart()
    assert follower.all_alerts()[0].resolution == "the configuration no longer names its condition"


def test_charts_are_bounded(sqlite: Database, caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower(sqlite, CRACKS, settings=AlertSettings(max_charts=20))
    for start in range(0, 60, 10):
        follower.take(entries([verdict(n, FAIL, station=f"s{n}") for n in range(start, start + 10)], first=start))
    with sqlite.read() as connection:
        assert connection.execute(select(func.count()).select_from(ALERT_CHARTS)).scalar_one() == 20
    assert caplog.text.count("Set max_charts in [alerts] higher") == 1


def test_what_a_score_chart_learnt_survives_a_restart(database: Database) -> None:
    follower, draws = Follower(database, WORN), random.Random(3)
    verdicts = [scored(number, draws.random()) for number in range(150)]
    verdicts += [scored(150 + number, 0.8 + draws.random() / 5) for number in range(40)]
    for batch in batches(verdicts, 10):
        follower.take(batch)
        follower.restart()
    assert [alert.place.condition for alert in follower.all_alerts()] == ["cup/worn"]


def test_undelivered_events_are_bounded_and_the_oldest_go_first(
    sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    settings = AlertSettings(targets=(WebhookSettings("hook"),), max_undelivered=3)
    follower = Follower(sqlite, CRACKS, settings=settings)
    pattern = [FAIL, FAIL, FAIL, *[PASS] * 12] * 5
    follower.take(entries([verdict(number, decision) for number, decision in enumerate(pattern)]))
    kept = [key for _, key in outbox(sqlite)]
    newest = follower.all_alerts()
    assert kept == [newest[3].key, newest[4].key, newest[4].key]
    assert "events were dropped (max_undelivered = 3)" in caplog.text


def test_what_began_long_ago_is_not_sent_out_unless_it_is_still_open_when_the_line_runs(database: Database) -> None:
    settings = AlertSettings(targets=(WebhookSettings("hook"),), tell_within_s=60.0)
    follower = Follower(database, CRACKS, settings=settings)
    pattern = [FAIL, FAIL, FAIL, *[PASS] * 12, FAIL, FAIL, FAIL]
    follower.take(entries([verdict(number, decision) for number, decision in enumerate(pattern)]))
    over, still_open = follower.all_alerts()
    assert not over.is_open
    assert outbox(database) == []
    now = verdict(20, FAIL)
    now.decision_ns = time.time_ns()
    follower.restart()
    follower.take(entries([now], first=20))
    follower.take(entries([verdict(21 + number) for number in range(12)], first=21))
    assert outbox(database) == [("hook", still_open.key)] * 2
    whats = [past.event.what for past in follower.desk.history(still_open.key)]
    assert whats == [What.RAISED, What.RAISED, What.RESOLVED]
