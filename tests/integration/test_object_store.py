"""References to a real S3 server: existing and missing objects, refused rights, and a server that hangs."""

import hashlib
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import cv2
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import PIXEL_FORMAT_PNG
from streams.decode.items import Frame, Origin, Reference
from streams.decode.limits import Limits
from streams.observation import InspectionId
from streams.references import stores
from streams.references.lane import ReferenceSettings
from streams.references.references import Fetched, Resolver
from tests.servers.seaweed import IS_MISSING, S3, SECRET, WHY_MISSING, logged_in, running_s3

pytestmark = [pytest.mark.broker, pytest.mark.skipif(IS_MISSING, reason=WHY_MISSING)]
IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)
PNG = cv2.imencode(".png", IMAGE)[1].tobytes()
NAMES = ("line-1/a.png", "line-1/Gehäuse #1?50%25.png")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """With the images."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        with logged_in(server.url):
            for name in NAMES:
                stores._client("s3").pipe(f"frames/{name}", PNG)
        yield server


def frame(uri: str, sha256: bytes = hashlib.sha256(PNG).digest()) -> Frame:
    reference = Reference(uri, sha256, len(PNG), PIXEL_FORMAT_PNG)
    return Frame(Origin("t", 0, 1, 1), InspectionId("l", "s", "p"), "a", "", "top", 0, 1, None, reference)


def fetch(resolver: Resolver, *frames: Frame) -> list[Fetched]:
    for frame in frames:
        resolver.submit(frame)
    fetched: list[Fetched] = []
    deadline_s = time.monotonic() + 30
    while len(fetched) < len(frames) and time.monotonic() < deadline_s:
        fetched += resolver.finished()
        time.sleep(0.002)
    assert len(fetched) == len(frames)
    return fetched


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    settings = ReferenceSettings(("s3://frames/line-1/", "s3://nowhere/"), timeout_s=20.0)
    with closing(Resolver(settings, Limits())) as resolver:
        yield resolver


def test_images_are_read_by_the_names_that_they_have(s3: S3, resolver: Resolver) -> None:
    with logged_in(s3.url):
        fetched = fetch(resolver, *(frame(f"s3://frames/{name}") for name in NAMES * 5))
    assert all(np.array_equal(entry.image, IMAGE) for entry in fetched if entry.image is not None)
    assert [entry.detail for entry in fetched] == [""] * 10


@pytest.mark.parametrize(
    ("uri", "secret", "words"),
    [
        (
            "s3://frames/line-1/gone.png",
            SECRET,
            "s3://frames/line-1/gone.png cannot be read (FileNotFoundError: The sp",
        ),
        ("s3://nowhere/a.png", SECRET, "bucket does not exist"),
        ("s3://frames/line-1/a.png", "wrong-secret", "cannot be read (PermissionError: The request signature"),
        ("s3://frames/line-1/../a.png", SECRET, "below none of the allowed prefixes"),
    ],
)
def test_dead_letters_name_the_cause_and_no_secret(
    s3: S3, resolver: Resolver, uri: str, secret: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with logged_in(s3.url, secret):
        (fetched,) = fetch(resolver, frame(uri))
    assert words in fetched.detail
    assert secret not in fetched.detail + caplog.text


def test_another_file_than_announced_is_refused(s3: S3, resolver: Resolver) -> None:
    with logged_in(s3.url):
        (fetched,) = fetch(resolver, frame("s3://frames/line-1/a.png", bytes(32)))
    assert "SHA-256" in fetched.detail


def test_a_server_that_hangs_is_left_alone_and_read_again_later(s3: S3) -> None:
    """It is stopped, so that its connections stand and nothing comes. The resolver's clock passes the time between."""
    passed_s = 0.0
    settings = ReferenceSettings(("s3://frames/",), timeout_s=0.5)
    resolver = Resolver(settings, Limits(), monotonic=lambda: time.monotonic() + passed_s)
    frames = [frame("s3://frames/line-1/a.png")] * 12
    with logged_in(s3.url), closing(resolver):
        stores.prepare(settings.allowed_prefixes)
        assert fetch(resolver, frames[0])[0].detail == ""
        s3.process.send_signal(signal.SIGSTOP)
        try:
            started_s = time.monotonic()
            details = [entry.detail for entry in fetch(resolver, *frames)]
            assert time.monotonic() - started_s < 5
        finally:
            s3.process.send_signal(signal.SIGCONT)
        late = sum("did not arrive within 0.5 s" in detail for detail in details)
        assert 4 <= late <= 7  # three more may have begun before the fourth was given up
        assert sum("the store below s3://frames/ does not respond" in detail for detail in details) == 12 - late
        passed_s = 10.0
        assert fetch(resolver, frames[0])[0].detail == ""
        assert [entry.detail for entry in fetch(resolver, *frames)] == [""] * 12
