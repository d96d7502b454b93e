"""Event streams over real sockets: each verdict once, refill by id, limits, slow clients, a log that is away."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from inspector.web import hub
from inspector.web.app import create_app
from inspector.web.metrics import WebMetrics
from inspector.web.patience import client_host
from inspector.web.server import WebServer, listening_socket
from inspector.web.settings import WebSettings
from inspector.web.state import Floor
from inspector.web.stream_places import StreamPlaces
from tests.inspector.gateway.memory_log import MemoryLog
from tests.inspector.web.parts import floor_with, verdict
from tests.inspector.web.viewer import Viewer
from tests.waiting import until

SETTINGS = WebSettings(gather_s=0.001, heartbeat_s=0.2, send_timeout_s=2.0)


@dataclass
class Site:
    """A page server over a log in memory."""

    log: MemoryLog
    floor: Floor
    port: int
    _number: int = 0

    def append(self, count: int = 1, detail: str = "") -> None:
        for _ in range(count):
            message = verdict(self._number)
            message.modalities[0].detail = detail
            self.log.append(self.log.partitions[0], message.SerializeToString())
            self._number += 1

    def watch(self, after: str = "", receive_bytes: int | None = None) -> Viewer:
        return Viewer(self.port, after, receive_bytes=receive_bytes)


@contextmanager
def served(log: MemoryLog, settings: WebSettings = SETTINGS, port: int = 0) -> Iterator[Site]:
    floor = floor_with(settings, log)
    listening = listening_socket(f"127.0.0.1:{port}")
    server = WebServer(create_app(floor), listening, settings)
    with server.running(floor.hub, log):
        yield Site(log, floor, int(server.address.rpartition(":")[2]))


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog("inspection", ("line-1",), 1)


@pytest.fixture
def site(log: MemoryLog) -> Iterator[Site]:
    with served(log) as running:
        yield running


def test_a_viewer_gets_each_verdict_once_in_order(site: Site) -> None:
    with site.watch() as viewer:
        viewer.until("hello")
        site.append(300)
        assert viewer.offsets(300) == list(range(300))


def test_a_viewer_that_comes_back_gets_what_it_missed_and_nothing_twice(site: Site) -> None:
    with site.watch() as viewer:
        viewer.until("hello")
        site.append(5)
        assert viewer.offsets(5) == [0, 1, 2, 3, 4]
        last = viewer.last
    site.append(7)
    with site.watch(last) as viewer:
        assert viewer.offsets(7) == [5, 6, 7, 8, 9, 10, 11]


def test_a_restart_of_the_server_loses_and_repeats_nothing(log: MemoryLog) -> None:
    with served(log) as first, first.watch() as viewer:
        viewer.until("hello")
        first.append(4)
        assert viewer.offsets(4) == [0, 1, 2, 3]
        last = viewer.last
    first.append(3)  # while nobody serves
    with served(log) as second, second.watch(last) as viewer:
        first.append(1)
        assert viewer.offsets(4) == [4, 5, 6, 7]


def test_the_first_connection_continues_behind_the_snapshot_of_the_page(site: Site) -> None:
    site.append(3)
    until(lambda: len(site.floor.hub.snapshot()["stations"]) == 1)  # type: ignore[arg-type]
    until(lambda: site.floor.hub.ring.end - site.floor.hub.ring.first == 3)
    number = site.floor.hub.snapshot()["id"]
    site.append(2)
    with site.watch(str(number)) as viewer:
        assert viewer.offsets(2) == [3, 4]


@pytest.mark.parametrize("after", ["nonsense", "AQ==", "\u00e9\u00e9", "A" * 70_000])
def test_an_unknown_id_is_answered_with_reset_and_news(site: Site, after: str) -> None:
    with Viewer(site.port, after[:8000]) as viewer:
        viewer.until("reset")
        site.append(1)
        assert viewer.offsets(1) == [0]


def test_more_than_the_ring_holds_is_answered_with_reset(log: MemoryLog) -> None:
    few = WebSettings(gather_s=0.001, ring_count=10)
    with served(log, few) as site:
        with site.watch() as viewer:
            viewer.until("hello")
            site.append(1)
            viewer.offsets(1)
            last = viewer.last
        site.append(40)
        until(lambda: site.floor.hub.ring.end - site.floor.hub.ring.first == 10)
        with site.watch(last) as viewer:
            viewer.until("reset")


def test_a_log_that_was_replaced_is_answered_with_reset(site: Site) -> None:
    with site.watch() as viewer:
        viewer.until("hello")
        site.append(5)
        viewer.offsets(5)
        last = viewer.last
    site.log.replace()
    with served(site.log) as second, second.watch(last) as viewer:
        viewer.until("reset")
        second.append(1)
        assert viewer.offsets(1) == [0]


def test_a_silent_stream_gives_signs_of_life(site: Site) -> None:
    with site.watch() as viewer:
        viewer.until("beat")
        viewer.until("beat")


def test_the_newest_state_of_a_kind_reaches_viewers_now_and_later(site: Site) -> None:
    with site.watch() as viewer:
        viewer.until("hello")
        site.floor.hub.post("alerts", {"firing": 1})
        site.floor.hub.post("alerts", {"firing": 2})
        while viewer.until("alerts").data != {"firing": 2}:
            pass
    with site.watch() as late:
        assert late.until("alerts").data == {"firing": 2}


def test_a_state_that_is_too_large_is_not_shown(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with site.watch() as viewer:
        viewer.until("hello")
        site.floor.hub.post("alerts", "x" * 300_000)
        site.floor.hub.post("alerts", "small")
        assert viewer.until("alerts").data == "small"
    assert "300" in caplog.text


def test_a_log_that_is_away_is_said_and_news_follow_when_it_is_back(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "BLIND_AFTER_S", 0.3)
    with served(log) as site, site.watch() as viewer:
        viewer.until("hello")
        site.log.outage = True
        assert viewer.until("away").data is True
        site.append(2)
        site.log.outage = False
        offsets = viewer.offsets(2)
        assert offsets == [0, 1]


def test_one_viewer_too_many_is_refused_and_a_place_that_is_left_is_free_again(log: MemoryLog) -> None:
    with served(log, WebSettings(max_streams=2, heartbeat_s=0.1)) as site:
        with site.watch(), site.watch(), site.watch() as third:
            assert third.status == 503
        until(lambda: site.floor.places.num_open == 0)
        with site.watch() as fourth:
            assert fourth.status == 200


def test_one_host_may_take_its_share_of_places_only(log: MemoryLog) -> None:
    with served(log, WebSettings(max_streams_per_host=1, heartbeat_s=0.1)) as site, site.watch(), site.watch() as other:
        assert other.status == 429


def test_one_person_takes_their_share_of_places_from_whatever_host() -> None:
    places = StreamPlaces(WebSettings(max_streams_per_person=1), WebMetrics(CollectorRegistry()))
    with (
        places.occupy("host-1", "ann"),
        places.occupy("host-1"),
        places.occupy("host-2", "bob"),
        pytest.raises(HTTPException, match="429"),
        places.occupy("host-2", "ann"),
    ):
        pass
    with places.occupy("host-2", "ann"):
        assert places.num_open == 1


def test_addresses_of_one_network_are_one_host() -> None:
    assert client_host(("2001:db8::1", 1)) == client_host(("2001:db8::ffff:2", 2)) != client_host(("2001:db9::1", 1))
    assert client_host(("::ffff:192.0.2.7", 1)) == client_host(("192.0.2.7", 2))


def test_a_viewer_that_reads_nothing_is_cut_off_and_harms_nobody(site: Site) -> None:
    with site.watch(receive_bytes=4096) as asleep, site.watch() as awake:
        asleep.until("hello")
        awake.until("hello")
        site.append(6000, detail="d" * 240)
        assert awake.offsets(6000) == list(range(6000))
        until(lambda: site.floor.places.num_open == 1)
        assert site.floor.metrics.cut_offs._value.get() == 1


def test_fifty_viewers_that_come_and_go_leave_nothing_behind(site: Site) -> None:
    def come_and_go(times: int) -> None:
        for _ in range(times):
            viewers = [site.watch() for _ in range(10)]
            for viewer in viewers:
                viewer.until("hello")
            site.append(1)
            for viewer in viewers:
                viewer.until("verdict")
                viewer.close()

    come_and_go(2)
    until(lambda: site.floor.places.num_open == 0)
    gc.collect()
    threads, objects = threading.active_count(), _num_streams()
    come_and_go(5)
    until(lambda: site.floor.places.num_open == 0)
    until(lambda: gc.collect() >= 0 and _num_streams() <= objects)
    assert threading.active_count() <= threads


def _num_streams() -> int:
    return sum(type(each).__name__ in ("EventStream", "H11Protocol") for each in gc.get_objects())


def test_open_streams_do_not_hold_up_the_end_of_the_server(log: MemoryLog) -> None:
    with served(log, WebSettings(stop_s=60)) as site:
        viewer = site.watch()
        viewer.until("hello")
    with viewer, pytest.raises(EOFError):
        viewer.until("nothing of this kind")
