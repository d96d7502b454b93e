"""Decoding ends in time, and a crash of it does not end the worker."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Frame, Item, Rejected
from streams.decode.limits import Limits
from streams.decode.process import Decoder, DecodingError, DecodingSettings
from streams.records import Record
from tests.line import frame

NOW_NS = 1_700_000_000_000_000_000
QUICK = DecodingSettings(cpu_s=0.2, wait_s=0.3, child="tests.streams.decode.poison")
PATIENT = replace(QUICK, wait_s=3.0)
"""For records that are to be decoded, on a busy machine too."""


def record(piece: str, offset: int = 7) -> Record:
    output = frame(piece, NOW_NS)
    return Record(output.topic, 3, offset, output.key, output.value, output.type, NOW_NS)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends the hanging decode of a test."""
    event = threading.Event()
    yield event
    event.set()


def reason(item: Item) -> str:
    assert isinstance(item, Rejected)
    return pb.DeadLetterReason.Name(pb.DeadLetterReason.ValueType(item.reason)).removeprefix("DEAD_LETTER_REASON_")


def test_a_record_decoded_in_time_is_returned() -> None:
    with closing(Decoder()) as decoder:
        item = decoder.decode(record("p"), Limits(), "line-1")
    assert isinstance(item, Frame)
    assert item.image is not None


def test_a_record_that_computes_too_long_is_a_dead_letter_and_opens_its_piece() -> None:
    def compute(*_: object) -> Item:
        end_s = time.thread_time() + 0.6
        while time.thread_time() < end_s:
            pass
        raise AssertionError

    with closing(Decoder(QUICK, compute)) as decoder:
        item = decoder.decode(record("p"), Limits(), "line-1")
        assert reason(item) == "TOO_SLOW"
    assert isinstance(item, Rejected)
    assert item.entry is not None
    assert item.entry.inspection.piece_id == "p"


def test_the_next_record_is_decoded_while_the_slow_one_continues(release: threading.Event) -> None:
    def hang(record: Record, limits: Limits, line: str) -> Item:
        if b"slow" in record.value:
            release.wait()
        return Rejected(origin=None, reason=1, detail="", station="")  # type: ignore[arg-type]

    with closing(Decoder(PATIENT, hang)) as decoder:
        reasons = [reason(decoder.decode(record(piece), Limits(), "line-1")) for piece in ("slow", "quick")]
    assert reasons == ["TOO_SLOW", "UNKNOWN_TYPE"]


def test_decodes_that_never_end_end_the_worker(release: threading.Event) -> None:
    def hang(*_: object) -> Item:
        release.wait()
        raise AssertionError

    with closing(Decoder(QUICK, hang)) as decoder:
        for _ in range(QUICK.max_abandoned):
            assert reason(decoder.decode(record("p"), Limits(), "line-1")) == "TOO_SLOW"
        with pytest.raises(DecodingError, match="start it again"):
            decoder.decode(record("p"), Limits(), "line-1")


def test_decodes_that_end_at_last_are_not_counted_forever() -> None:
    def dawdle(*_: object) -> Item:
        time.sleep(0.5)
        raise AssertionError

    with closing(Decoder(QUICK, dawdle)) as decoder:
        for _ in range(QUICK.max_abandoned + 3):
            assert reason(decoder.decode(record("p"), Limits(), "line-1")) == "TOO_SLOW"


def test_records_are_decoded_ahead_on_as_many_threads() -> None:
    """Each on a thread of its own: two wait for each other."""
    begun = threading.Barrier(2)

    def meet(record: Record, limits: Limits, line: str) -> Item:
        if record.offset < 4:
            begun.wait(60)
        return Rejected(origin=None, reason=record.offset, detail="", station="")  # type: ignore[arg-type]

    with closing(Decoder(PATIENT, meet, num_ahead=2)) as decoder:
        places = [decoder.begin(record("p", offset), Limits(), "line-1") for offset in (0, 1, 2)]
        assert places == [True, True, False]
        items = [decoder.decode(record("p", offset), Limits(), "line-1") for offset in (0, 1)]
        assert [item.reason for item in items if isinstance(item, Rejected)] == [0, 1]
        assert decoder.begin(record("p", 2), Limits(), "line-1")
        assert decoder.begin(record("p", 3), Limits(), "line-1")
        decoder.forget_begun()
        assert decoder.begin(record("p", 4), Limits(), "line-1")


def test_nothing_is_decoded_ahead_unless_asked() -> None:
    with closing(Decoder()) as decoder:
        assert not decoder.begin(record("p"), Limits(), "line-1")


def test_a_record_begun_ahead_that_takes_too_long_is_a_dead_letter(release: threading.Event) -> None:
    def hang(record: Record, limits: Limits, line: str) -> Item:
        if record.offset == 0:
            release.wait()
        return Rejected(origin=None, reason=1, detail="", station="")  # type: ignore[arg-type]

    with closing(Decoder(PATIENT, hang, num_ahead=2)) as decoder:
        for offset in (0, 1):
            assert decoder.begin(record("p", offset), Limits(), "line-1")
        reasons = [reason(decoder.decode(record("p", offset), Limits(), "line-1")) for offset in (0, 1)]
    assert reasons == ["TOO_SLOW", "UNKNOWN_TYPE"]


def test_an_error_is_raised_in_the_calling_thread() -> None:
    def fail(*_: object) -> Item:
        raise ZeroDivisionError

    with closing(Decoder(QUICK, fail)) as decoder, pytest.raises(ZeroDivisionError):
        decoder.decode(record("p"), Limits(), "line-1")


@pytest.mark.parametrize(
    ("pieces", "reasons"),
    [(("good", "deadly", "good"), ["", "POISONED", ""]), (("greedy",), ["POISONED"]), (("endless",), ["TOO_SLOW"])],
)
def test_a_child_process_dies_in_place_of_the_worker(pieces: tuple[str, ...], reasons: list[str]) -> None:
    with closing(Decoder(PATIENT)) as decoder:
        items = [decoder.decode_in_child(record(piece), Limits(), "line-1") for piece in pieces]
    assert [reason(item) if isinstance(item, Rejected) else "" for item in items] == reasons
    letter = items[-1] if len(items) == 1 else items[1]
    assert isinstance(letter, Rejected)
    assert "offset 7" in letter.detail or reasons == ["TOO_SLOW"]
    assert letter.entry is not None
    assert bool(letter.raw) is (reasons == ["TOO_SLOW"])


def test_a_child_process_does_not_outlive_a_worker_that_is_killed() -> None:
    """Not even in the middle of a decode without end."""
    script = """
import os, signal, threading
from streams.decode.child import DecodingChild
from tests.streams.decode.test_process import Limits, record
child = DecodingChild("tests.streams.decode.poison", 30.0)
print(child._process.pid, flush=True)
child._connection.send((record("endless"), Limits(), "line-1"))
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        child = Path(f"/proc/{int(worker.stdout.readline())}")
        time.sleep(0.2)
        assert child.exists()
        worker.kill()
    deadline_s = time.monotonic() + 60
    while child.exists() and time.monotonic() < deadline_s and "(zombie)" not in (child / "status").read_text():
        time.sleep(0.05)
    assert not child.exists() or "(zombie)" in (child / "status").read_text()


def test_without_a_child_process_records_are_decoded_in_the_worker() -> None:
    with closing(Decoder(DecodingSettings(child="no.such.module"))) as decoder:
        item = decoder.decode_in_child(record("p"), Limits(), "line-1")
    assert isinstance(item, Frame)
