"""The lease of the embedded log: no clock that can be set decides who owns a line."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.embedded.lease import Group, Lease, boot_id
from streams.embedded.store import Store

LEASE_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, EmbeddedSettings())) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease(store: Store, clock: Clock, owner: str, boot: str = "this boot") -> Lease:
    return Lease(store, Group(("l1",), "qa", owner), LEASE_S, clock, boot)


def owned(lease: Lease, store: Store) -> Lease:
    with store.write(durable=False):
        lease.take()
    lease.confirm()
    return lease


def silence_s(other: Lease, store: Store, clock: Clock, step_s: float) -> float:
    """How long the other waits, looking every `step_s`."""
    began_s = clock.now_s
    while look(other, store):
        clock.now_s += step_s
    return clock.now_s - began_s


def look(other: Lease, store: Store) -> str | None:
    with store.read():
        return other.blocker()


def test_a_silent_owner_is_followed_after_the_lease_time(store: Store, clock: Clock) -> None:
    owned(lease(store, clock, "w1"), store)
    other = lease(store, clock, "w2")
    assert silence_s(other, store, clock, 0.1) == pytest.approx(LEASE_S, abs=0.11)


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_wall_clock_that_is_set_changes_nothing(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    owned(lease(store, clock, "w1"), store)
    other = lease(store, clock, "w2")
    look(other, store)
    now_ns = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + jump_s * 10**9)
    monkeypatch.setattr(time, "time", lambda: now_ns / 1e9 + jump_s)
    assert look(other, store) == "w1"
    assert silence_s(other, store, clock, 0.1) == pytest.approx(LEASE_S, abs=0.11)


def test_an_owner_that_beats_is_never_followed(store: Store, clock: Clock) -> None:
    first = lease(store, clock, "w1")
    with store.write(durable=False):
        epoch = first.take()
    other = lease(store, clock, "w2")
    for _ in range(40):
        clock.now_s += 1.0
        if first.is_beat_due:
            with store.write(durable=False):
                first.beat(epoch)
        assert look(other, store) == "w1"


def test_a_pause_of_the_waiting_process_is_no_silence_of_the_owner(store: Store, clock: Clock) -> None:
    owned(lease(store, clock, "w1"), store)
    other = lease(store, clock, "w2")
    look(other, store)
    clock.now_s += 3600.0  # both were stopped, e.g. a virtual machine was moved
    assert look(other, store) == "w1"


def test_a_start_of_the_machine_needs_no_waiting(store: Store, clock: Clock) -> None:
    owned(lease(store, clock, "w1", boot="the boot before"), store)
    assert look(lease(store, clock, "w2"), store) is None


def test_a_name_of_its_own_is_followed_at_once_but_only_at_the_start(store: Store, clock: Clock) -> None:
    owned(lease(store, clock, "w1"), store)
    again = lease(store, clock, "w1")
    assert look(again, store) is None
    owned(again, store)
    owned(lease(store, clock, "w1"), store)
    assert look(again, store) == "w1"


def test_a_lease_of_version_1_that_ends_in_an_hour_holds_nobody_up(path: Path, clock: Clock) -> None:
    with closing(Store(path, EmbeddedSettings())) as store:
        owned(lease(store, clock, "w1"), store)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE leases SET beat = ?, boot = ''", (time.time_ns() + 3600 * 10**9,))
        db.commit()
    with closing(Store(path, EmbeddedSettings())) as store:
        assert silence_s(lease(store, clock, "w2"), store, clock, 0.1) == pytest.approx(LEASE_S, abs=0.11)


def test_this_machine_tells_its_boot() -> None:
    assert boot_id() == boot_id() != ""


def test_a_waiting_worker_writes_nothing(path: Path) -> None:
    log = EmbeddedLog(path)
    with closing(log.source(["l1"], "qa", "w1")) as owner, closing(log.source(["l1"], "qa", "w2")) as other:
        owner.poll(0)
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            began_s = time.monotonic()
            assert not other.poll(0).gained
            assert time.monotonic() - began_s < 25.0  # it would wait for the lock for 30 s
