"""References: only below allowed prefixes, only what was hashed, never on the caller's thread."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import PIXEL_FORMAT_PNG
from streams.items import Frame, Origin, Reference
from streams.limits import Limits
from streams.observation import InspectionId
from streams.references import Fetched, ReferenceSettings, Resolver, is_allowed

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def frame(reference: Reference) -> Frame:
    return Frame(Origin("t", 0, 1, 1), InspectionId("l", "s", "p"), "a", "", "top", 0, 1, None, reference)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "frames" / "one.png"
    path.parent.mkdir()
    path.write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    return path


@pytest.fixture
def resolver(image_file: Path) -> Iterator[Resolver]:
    made = Resolver(ReferenceSettings(allowed_prefixes=(f"file://{image_file.parent}",)), Limits())
    yield made
    made.close()


def reference_to(path: Path, **changes: object) -> Reference:
    content = path.read_bytes()
    fields = {"uri": f"file://{path}", "sha256": hashlib.sha256(content).digest(), "size_bytes": len(content)}
    return Reference(**{**fields, "format": PIXEL_FORMAT_PNG, **changes})


def resolve(resolver: Resolver, reference: Reference) -> Fetched:
    resolver.submit(frame(reference))
    resolver._pool.shutdown(wait=True)
    (found,) = resolver.finished()
    return found


def test_the_image_comes_back(resolver: Resolver, image_file: Path) -> None:
    found = resolve(resolver, reference_to(image_file))
    assert found.image is not None
    assert np.array_equal(found.image, IMAGE)
    assert found.inspection.piece_id == "p"


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"size_bytes": 5}, "the frame says 5"),
        ({"sha256": b"\0" * 32}, "SHA-256"),
        ({"uri": "file:///etc/hostname"}, "allowed prefixes"),
        ({"uri": "https://example.org/a.png"}, "allowed prefixes"),
    ],
)
def test_what_is_not_as_the_frame_says_is_refused(
    resolver: Resolver, image_file: Path, changes: dict[str, object], finding: str
) -> None:
    found = resolve(resolver, reference_to(image_file, **changes))
    assert found.image is None
    assert finding in found.detail


def test_a_missing_file_is_a_finding(resolver: Resolver, image_file: Path) -> None:
    reference = reference_to(image_file)
    image_file.unlink()
    assert "cannot be read" in resolve(resolver, reference).detail


def test_a_damaged_image_is_a_finding(resolver: Resolver, image_file: Path) -> None:
    image_file.write_bytes(image_file.read_bytes()[:-20])
    assert resolve(resolver, reference_to(image_file)).image is None


def test_a_backlog_is_fetched_whole_though_few_images_are_held(image_file: Path) -> None:
    resolver = Resolver(ReferenceSettings((f"file://{image_file.parent}",), max_ready=2), Limits())
    for _ in range(200):
        resolver.submit(frame(reference_to(image_file)))
    found: list[Fetched] = []
    most, deadline = 0, time.monotonic() + 30
    while len(found) < 200 and time.monotonic() < deadline:
        most = max(most, resolver._done.qsize())
        found += resolver.finished()
    resolver.close()
    assert all(each.image is not None for each in found)
    assert len(found) == 200
    assert 1 <= most <= 2


def test_a_flood_is_refused(image_file: Path) -> None:
    resolver = Resolver(ReferenceSettings(max_waiting=0), Limits())
    assert "slow the producer" in resolve(resolver, reference_to(image_file)).detail


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("s3://bucket/line/a.png", True),
        ("s3://bucket/line", False),
        ("s3://bucket/line-2/a.png", False),
        ("s3://bucket/line/../other/a.png", False),
        ("s3://bucket/line/%2e%2e/other/a.png", False),
        ("simplecache::s3://bucket/line/a.png", False),
        ("s3://bucket/line/simplecache::file:///etc/hostname", False),
    ],
)
def test_only_addresses_below_a_prefix_are_allowed(uri: str, allowed: bool) -> None:
    assert is_allowed(uri, ("s3://bucket/line/",)) is allowed


def test_nothing_is_allowed_by_default(image_file: Path) -> None:
    assert not is_allowed(f"file://{image_file}", ReferenceSettings().allowed_prefixes)


def test_an_error_of_the_storage_client_fails_the_reference(image_file: Path) -> None:
    """Clients raise what is no OSError; the place of each such reference must become free again."""

    def read(uri: str, size_bytes: int) -> bytes:
        raise RuntimeError("no credentials")

    resolver = Resolver(ReferenceSettings((f"file://{image_file.parent}",)), Limits(), read)
    found = resolve(resolver, reference_to(image_file))
    assert found.image is None
    assert "no credentials" in found.detail
