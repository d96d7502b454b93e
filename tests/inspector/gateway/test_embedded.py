"""The gateway over the embedded log, where the stand-in differs from a real log."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from inspector.client.client import Client, ClientError, WatchOptions
from inspector.gateway.server import Backend, Gateway
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from streams.embedded.log import EmbeddedLog
from streams.records import Output
from tests.inspector.gateway.conftest import SETTINGS, CountingJudge, OneRecipe, verdict_bytes

Start = Callable[..., Gateway]


@pytest.fixture
def file_log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def start(file_log: EmbeddedLog) -> Iterator[Start]:
    started: list[Gateway] = []

    def over_the_file(**changes: Any) -> Gateway:
        backend = Backend(file_log, "t", frozenset({"a"}), OneRecipe(), lambda *_: None, CountingJudge())
        started.append(Gateway(backend, replace(SETTINGS, **changes)))
        started[-1].start()
        assert started[-1].wait_serving(10)
        return started[-1]

    yield over_the_file
    for gateway in started:
        gateway.stop(0.5)


def test_a_verdict_before_the_index_is_read_from_the_file(file_log: EmbeddedLog, start: Start) -> None:
    append(file_log, range(50))
    gateway = start(read_back_s=1e-3)
    with Client(gateway.address) as client:
        inspection = Inspection(line="a", station="s", piece_id="000007")
        assert client.verdict(inspection).inspection == inspection
        with pytest.raises(ClientError, match="no verdict of a/s/000099#0 in the whole log"):
            client.submit_feedback(
                Feedback(inspection=Inspection(line="a", station="s", piece_id="000099"), label=Label.LABEL_OK)
            )


def append(log: EmbeddedLog, numbers: Iterator[int] | range) -> None:
    publisher = log.publisher()
    for number in numbers:
        publisher.publish([Output("t.a.verdicts", 0, b"s", verdict_bytes(number), "inspection.v1.Verdict")])
        publisher.flush()
    publisher.close()


def take(gateway: Gateway, count: int, options: WatchOptions) -> tuple[list[int], bytes | None]:
    with Client(gateway.address) as client:
        watch = client.watch(options)
        pieces = [int(verdict.inspection.piece_id) for verdict, _ in itertools.islice(watch, count)]
        watch.close()
        return pieces, watch.token


def test_resumes_across_gateways_under_appends(file_log: EmbeddedLog, start: Start) -> None:
    append(file_log, range(1))
    writer = threading.Thread(target=append, args=(file_log, range(1, 300)))
    writer.start()
    pieces, token = take(start(), 50, WatchOptions(earliest=True))
    for count in (70, 80, 100):
        more, token = take(start(), count, WatchOptions(token=token))
        pieces += more
    writer.join()
    assert pieces == list(range(300))


def test_live_on_an_empty_log(file_log: EmbeddedLog, start: Start) -> None:
    with Client(start().address) as client:
        watch = client.watch()
        pieces: list[str] = []
        reader = threading.Thread(
            target=lambda: pieces.extend(v.inspection.piece_id for v, _ in itertools.islice(watch, 3))
        )
        reader.start()
        assert watch.positioned.wait(60)
        append(file_log, range(3))
        reader.join(60)
        watch.close()
    assert pieces == ["000000", "000001", "000002"]


def test_garbage_token(start: Start) -> None:
    with pytest.raises(ClientError) as refused:
        take(start(), 1, WatchOptions(token=b"junk"))
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_feedback_survives_in_the_file(file_log: EmbeddedLog, start: Start, tmp_path: Path) -> None:
    append(file_log, range(1))
    inspection = Inspection(line="a", station="s", piece_id="000000")
    with Client(start().address) as client:
        client.submit_feedback(Feedback(inspection=inspection, label=Label.LABEL_OK, note="found-by-eva"))
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"found-by-eva" in stored
