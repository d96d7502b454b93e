"""Delivery to a webhook: everything arrives in order, and secrets and time are kept."""

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.alerts import courier
from inspector.alerts.desk import Finding
from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import DeliveryError, RefusedError
from inspector.alerts.settings import Secret, WebhookSettings
from inspector.alerts.webhook import WebhookSender
from inspector.archive.database import Database
from tests.inspector.alerts.delivering import Deliveries, eventually
from tests.inspector.alerts.receiver import Receiver, running_receiver


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "POLL_S", 0.02)
    monkeypatch.setattr(courier, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(courier, "MAX_DELAY_S", 0.1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


PARCEL = Parcel(1, "key", 7, '{"event": "raised"}', 0)


def test_an_event_says_everything_and_has_an_idempotency_key(sqlite: Database, receiver: Receiver) -> None:
    deliveries = Deliveries(sqlite, WebhookSettings("hook", receiver.url))
    alert = deliveries.raised(1)
    deliveries.desk.acknowledge(alert.key, "Ann", "looking")
    deliveries.resolved(alert)
    with deliveries.running():
        eventually(lambda: len(receiver.received) == 3)
        eventually(lambda: deliveries.num_undelivered() == 0)
    raised, acknowledged, resolved = receiver.bodies
    assert [each["event"] for each in receiver.bodies] == ["raised", "acknowledged", "resolved"]
    assert {each["key"] for each in receiver.bodies} == {alert.key}
    assert raised["link"] == f"http://page/alerts/{alert.key}"
    assert (raised["line"], raised["station"], raised["level"], raised["state"]) == ("a", "s1", "act_now", "firing")
    assert (acknowledged["by"], acknowledged["note"]) == ("Ann", "looking")
    assert resolved["resolved_at"] >= resolved["raised_at"]
    keys = [each.headers["Idempotency-Key"] for each in receiver.received]
    assert len(set(keys)) == 3
    assert all(key.startswith(alert.key) for key in keys)
    assert deliveries.value("inspector_alert_deliveries_total", target="hook", outcome="delivered") == 3
    assert deliveries.value("inspector_alert_target_up", target="hook") == 1


def test_what_cannot_be_delivered_is_kept_and_retried_in_order(
    sqlite: Database, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [500, 503, 401, 404, 302]
    deliveries = Deliveries(sqlite, WebhookSettings("hook", receiver.url))
    alerts = [deliveries.raised(number) for number in range(5)]
    for alert in alerts:
        deliveries.resolved(alert)
    with deliveries.running():
        eventually(lambda: len(receiver.received) >= 10)
    keys = [alert.key for alert in alerts]
    assert [(each["event"], each["key"]) for each in receiver.bodies] == [
        *(("raised", key) for key in keys),
        *(("resolved", key) for key in keys),
    ]
    assert caplog.text.count("Alerts cannot be delivered to hook") == 1
    assert "Alerts are delivered to hook again" in caplog.text
    assert deliveries.value("inspector_alert_deliveries_total", target="hook", outcome="failed") == 5


def test_an_event_that_is_refused_for_good_holds_up_no_other(
    sqlite: Database, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [400]
    deliveries = Deliveries(sqlite, WebhookSettings("hook", receiver.url))
    refused, accepted = deliveries.raised(1), deliveries.raised(2)
    with deliveries.running():
        eventually(lambda: deliveries.num_undelivered() == 0)
    assert [each["key"] for each in receiver.bodies] == [accepted.key]
    assert f"refuses event 1 of alert {refused.key}" in caplog.text


def test_a_silence_keeps_news_in_but_not_the_end_and_its_own_end_is_told(sqlite: Database, receiver: Receiver) -> None:
    deliveries = Deliveries(sqlite, WebhookSettings("hook", receiver.url))
    first = deliveries.raised(1)
    deliveries.desk.silence(first.key, 3600, "Ann", "known fault")
    deliveries.resolved(first)
    again = _raise_again(deliveries)
    deliveries.desk.end_silences(2_000_000_000_000_000_000)
    with deliveries.running():
        eventually(lambda: deliveries.num_undelivered() == 0)
    assert [(each["event"], each["key"]) for each in receiver.bodies] == [
        ("raised", first.key),
        ("silenced", first.key),
        ("resolved", first.key),
        ("silence_ended", again),
    ]
    assert receiver.bodies[-1]["state"] == "firing"


def _raise_again(deliveries: Deliveries) -> str:
    """The same place, by another verdict."""
    alert = deliveries.desk.resolved(1)[0]
    with deliveries.database.write() as connection:
        again = deliveries.desk.raise_at(connection, Finding(alert.place, "act_now", "cracks", ""), "v@99", 10**18)
    assert again is not None
    assert not again.is_announced
    return again.key


def test_the_token_is_read_at_each_post_and_never_logged(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "token"
    sender = WebhookSender(WebhookSettings("hook", receiver.url, Secret(file=file)))
    with pytest.raises(DeliveryError, match="cannot be read"):
        sender.send(PARCEL)
    file.write_text("first-secret\n")
    sender.send(PARCEL)
    file.write_text("second-secret\n")
    sender.send(PARCEL)
    monkeypatch.setenv("HOOK_TOKEN", "third-secret")
    WebhookSender(WebhookSettings("hook", receiver.url, Secret(env="HOOK_TOKEN"))).send(PARCEL)
    assert [each.headers["Authorization"] for each in receiver.received] == [
        "Bearer first-secret",
        "Bearer second-secret",
        "Bearer third-secret",
    ]
    receiver.answers = [500]
    with pytest.raises(DeliveryError) as failed:
        sender.send(PARCEL)
    assert "secret" not in caplog.text + str(failed.value)
    assert "/alerts" not in str(failed.value), "the path may be a secret"


def test_a_missing_token_says_where_to_put_it(receiver: Receiver) -> None:
    with pytest.raises(DeliveryError, match="no secret in the environment variable NOT_SET: write it there"):
        WebhookSender(WebhookSettings("hook", receiver.url, Secret(env="NOT_SET"))).send(PARCEL)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_answers_about_the_event_itself_are_final(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(RefusedError, match=str(status)):
        WebhookSender(WebhookSettings("hook", receiver.url)).send(PARCEL)


def test_a_receiver_that_answers_byte_by_byte_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stop = threading.Event()
        dripping = threading.Thread(target=_drip, args=(server, stop))
        dripping.start()
        sender = WebhookSender(WebhookSettings("hook", f"http://127.0.0.1:{port}/", timeout_s=1.0))
        with pytest.raises(DeliveryError):
            sender.send(PARCEL)
        stop.set()
        dripping.join()


def _drip(server: socket.socket, stop: threading.Event) -> None:
    connection, _ = server.accept()
    with connection:
        for sign in "HTTP/1.1 200 " + "O" * 10_000:
            try:
                connection.send(sign.encode())
            except OSError:
                return
            if stop.wait(0.1):
                return


def test_a_receiver_that_is_away_is_no_news_to_the_caller(receiver: Receiver) -> None:
    receiver.stop()
    with pytest.raises(DeliveryError, match=f"127.0.0.1:{receiver.port}"):
        WebhookSender(WebhookSettings("hook", receiver.url)).send(PARCEL)
