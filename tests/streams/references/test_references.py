"""References: only below allowed prefixes, only with the right hash, on other threads, within a time limit."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import PIXEL_FORMAT_PNG
from streams.decode.items import Frame, Origin, Reference
from streams.decode.limits import Limits
from streams.decode.process import Decoder, DecodingSettings
from streams.observation import InspectionId
from streams.references.addresses import Address
from streams.references.lane import ReferenceSettings
from streams.references.references import Fetched, Resolver
from streams.references.transfer import Transfer
from tests.waiting import until

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def frame(reference: Reference) -> Frame:
    capture_ns = 1_700_000_000 * 10**9
    return Frame(Origin("t", 0, 1, 1), InspectionId("l", "s", "p"), "a", "", "top", 0, capture_ns, None, reference)


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    path = tmp_path / "frames" / "one.png"
    path.parent.mkdir()
    path.write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
    return path


@pytest.fixture
def resolver(image_file: Path) -> Iterator[Resolver]:
    with closing(Resolver(ReferenceSettings(allowed_prefixes=(f"file://{image_file.parent}",)), Limits())) as resolver:
        yield resolver


def reference_to(
    path: Path, *, uri: str | None = None, sha256: bytes | None = None, size_bytes: int | None = None
) -> Reference:
    content = path.read_bytes()
    return Reference(
        f"file://{path}" if uri is None else uri,
        hashlib.sha256(content).digest() if sha256 is None else sha256,
        len(content) if size_bytes is None else size_bytes,
        PIXEL_FORMAT_PNG,
    )


def outcomes(resolver: Resolver, num: int, within_s: float = 20.0) -> list[Fetched]:
    """The outcomes that a worker's polling thread receives."""
    fetched: list[Fetched] = []
    deadline_s = time.monotonic() + within_s
    while len(fetched) < num and time.monotonic() < deadline_s:
        fetched += resolver.finished()
        threading.Event().wait(0.002)
    assert len(fetched) == num, f"{len(fetched)} of {num} after {within_s} s"
    return fetched


def resolve(resolver: Resolver, reference: Reference) -> Fetched:
    resolver.submit(frame(reference))
    return outcomes(resolver, 1)[0]


def test_the_image_comes_back(resolver: Resolver, image_file: Path) -> None:
    fetched = resolve(resolver, reference_to(image_file))
    assert fetched.image is not None
    assert np.array_equal(fetched.image, IMAGE)
    assert fetched.inspection.piece_id == "p"


@pytest.mark.parametrize(
    ("make_reference", "finding"),
    [
        (lambda path: reference_to(path, size_bytes=5), "the frame says 5"),
        (lambda path: reference_to(path, sha256=b"\0" * 32), "SHA-256"),
        (lambda path: reference_to(path, uri="file:///etc/hostname"), "allowed prefixes"),
        (lambda path: reference_to(path, uri="https://example.org/a.png"), "allowed prefixes"),
    ],
)
def test_what_is_not_as_the_frame_says_is_refused(
    resolver: Resolver, image_file: Path, make_reference: Callable[[Path], Reference], finding: str
) -> None:
    fetched = resolve(resolver, make_reference(image_file))
    assert fetched.image is None
    assert finding in fetched.detail


def test_a_missing_file_is_a_finding(resolver: Resolver, image_file: Path) -> None:
    reference = reference_to(image_file)
    image_file.unlink()
    assert "cannot be read" in resolve(resolver, reference).detail


def test_a_damaged_image_is_a_finding_and_keeps_no_place(image_file: Path) -> None:
    image_file.write_bytes(image_file.read_bytes()[:-20])
    settings = ReferenceSettings((f"file://{image_file.parent}",), max_ready=1)
    with closing(Resolver(settings, Limits())) as resolver:
        for _ in range(3):
            assert resolve(resolver, reference_to(image_file)).image is None


@pytest.mark.parametrize(
    ("bound", "most"), [({"max_ready": 2}, 2), ({"max_ready_bytes": IMAGE.nbytes * 2}, 2), ({"max_ready_bytes": 1}, 1)]
)
def test_a_backlog_is_fetched_whole_though_few_images_are_held(
    image_file: Path, bound: dict[str, int], most: int
) -> None:
    settings = ReferenceSettings((f"file://{image_file.parent}",), **bound)
    with closing(Resolver(settings, Limits())) as resolver:
        for _ in range(60):
            resolver.submit(frame(reference_to(image_file)))
        fetched: list[Fetched] = []
        sizes: list[int] = []
        deadline_s = time.monotonic() + 60
        while len(fetched) < 60 and time.monotonic() < deadline_s:
            sizes.append(resolver._done.qsize())
            fetched += resolver.finished()
    assert [entry.image is not None for entry in fetched] == [True] * 60
    assert 1 <= max(sizes) <= most


def test_a_flood_is_refused(image_file: Path) -> None:
    settings = ReferenceSettings((f"file://{image_file.parent}",), max_waiting=0)
    with closing(Resolver(settings, Limits())) as resolver:
        assert "slow down the producer" in resolve(resolver, reference_to(image_file)).detail


def test_an_error_of_the_storage_client_fails_the_reference(image_file: Path) -> None:
    """Clients also raise other errors than OSError; the place of each such reference must become free again."""

    def read(address: Address, transfer: Transfer) -> None:
        raise RuntimeError("no credentials")

    settings = ReferenceSettings((f"file://{image_file.parent}",))
    with closing(Resolver(settings, Limits(), read)) as resolver:
        for _ in range(10):
            fetched = resolve(resolver, reference_to(image_file))
            assert fetched.image is None
            assert "no credentials" in fetched.detail


class Store:
    """A store below `/hangs/` that answers nothing until it is told to, and one below `/works/` that answers."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.num_reads = 0
        self.repaired, self.released = threading.Event(), threading.Event()

    def __call__(self, address: Address, transfer: Transfer) -> None:
        self.num_reads += 1
        if "/hangs/" in address.uri and not self.repaired.is_set():
            self.released.wait(30)
        transfer.add(self._content)


class Hanging:
    """A resolver over both stores, whose clock stands still until `pass_s`."""

    def __init__(self, image_file: Path) -> None:
        self.store = Store(image_file.read_bytes())
        self._now_s = 0.0
        self._image_file = image_file
        settings = ReferenceSettings(("file:///hangs", "file:///works"), timeout_s=5.0)
        self.resolver = Resolver(settings, Limits(), self.store, lambda: self._now_s)

    def submit(self, store: str, num: int = 1) -> None:
        for i in range(num):
            self.resolver.submit(frame(reference_to(self._image_file, uri=f"file:///{store}/{i}.png")))

    def pass_s(self, span_s: float) -> None:
        self._now_s += span_s

    def hang(self, num: int) -> None:
        """References that run into their deadline, and all threads for them have begun to read."""
        reads = self.store.num_reads
        self.submit("hangs", num)
        until(lambda: self.store.num_reads == reads + num)
        self.pass_s(5.0)
        assert all("did not arrive within 5 s" in entry.detail for entry in outcomes(self.resolver, num))


@pytest.fixture
def hanging(image_file: Path) -> Iterator[Hanging]:
    hanging = Hanging(image_file)
    with closing(hanging.resolver):
        yield hanging
    hanging.store.released.set()


def test_a_store_that_hangs_keeps_no_other_store_waiting(hanging: Hanging) -> None:
    hanging.submit("hangs", 6)
    hanging.submit("works", 3)
    fetched = outcomes(hanging.resolver, 3)
    assert all(entry.image is not None for entry in fetched)


def test_a_store_that_hangs_refuses_at_once_after_four_deadlines_and_says_so_once(
    hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    hanging.hang(4)
    reads = hanging.store.num_reads
    hanging.submit("hangs", 50)
    details = {entry.detail.partition(": ")[2] for entry in outcomes(hanging.resolver, 50)}
    assert hanging.store.num_reads == reads
    assert details == {
        "the store below file:///hangs does not respond: 4 fetches in a row took longer than 5 s, "
        "4 of them still hang, it is tried again in 10 s; check store and network"
    }
    assert caplog.text.count("does not respond") == 1


def test_what_waited_for_a_store_that_hangs_is_refused_with_it(hanging: Hanging) -> None:
    hanging.submit("hangs", 20)
    until(lambda: hanging.store.num_reads == 4)
    hanging.pass_s(5.0)
    details = [entry.detail for entry in outcomes(hanging.resolver, 20)]
    assert sum("does not respond" in detail for detail in details) == 16
    assert hanging.store.num_reads == 4


def test_a_store_is_tried_by_one_reference_and_read_again_once_it_answers(
    hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hanging.hang(4)
    hanging.pass_s(10.0)
    hanging.hang(1)
    hanging.submit("hangs", 5)
    assert all("tried again in 20 s" in entry.detail for entry in outcomes(hanging.resolver, 5))
    hanging.pass_s(20.0)
    hanging.store.repaired.set()
    hanging.submit("hangs")
    assert outcomes(hanging.resolver, 1)[0].image is not None
    hanging.submit("hangs", 9)
    assert all(entry.image is not None for entry in outcomes(hanging.resolver, 9))
    assert caplog.text.count("responds again") == 1


def test_threads_that_never_come_back_are_bounded(hanging: Hanging) -> None:
    hanging.hang(4)
    for _ in range(12):
        hanging.pass_s(300.0)
        hanging.hang(1)
    hanging.pass_s(300.0)
    hanging.submit("hangs", 3)
    assert all("until one returns" in entry.detail for entry in outcomes(hanging.resolver, 3))
    assert hanging.store.num_reads == 16
    hanging.store.repaired.set()
    hanging.store.released.set()
    until(lambda: hanging.resolver._lanes["file:///hangs"]._num_hung == 0)
    hanging.submit("hangs")
    assert outcomes(hanging.resolver, 1)[0].image is not None


def test_what_is_wanted_no_more_is_not_read(hanging: Hanging) -> None:
    """As in a queue behind a slow store, while the pieces close."""
    hanging.submit("hangs", 4)
    until(lambda: hanging.store.num_reads == 4)
    for is_needed in (False, False, True, False):
        reference = reference_to(hanging._image_file, uri="file:///hangs/later.png")
        hanging.resolver.submit(frame(reference), partial(bool, is_needed))
    hanging.store.repaired.set()
    hanging.store.released.set()
    assert all(entry.image is not None for entry in outcomes(hanging.resolver, 5))
    assert hanging.store.num_reads == 5
    assert hanging.resolver._num_waiting() == 0


def test_bytes_being_fetched_are_bounded_over_all_stores(image_file: Path) -> None:
    """Two stores share room for four files: two of each are read at a time, though four threads may."""
    size = image_file.stat().st_size
    release, reads = threading.Event(), []

    def read(address: Address, transfer: Transfer) -> None:
        reads.append(address)
        release.wait(30)
        transfer.add(image_file.read_bytes())

    settings = ReferenceSettings(("file:///a", "file:///b"), max_bytes=4 * size + 3)
    with closing(Resolver(settings, Limits(), read)) as resolver:
        for store in "aabbaabb":
            resolver.submit(frame(reference_to(image_file, uri=f"file:///{store}/x.png")))
        until(lambda: len(reads) == 4)
        assert resolver.finished() == []
        assert len(reads) == 4
        release.set()
        assert all(entry.image is not None for entry in outcomes(resolver, 8))


def test_a_file_larger_than_a_store_may_take_is_refused_and_says_what_to_raise(image_file: Path) -> None:
    settings = ReferenceSettings((f"file://{image_file.parent}",), max_bytes=10)
    with closing(Resolver(settings, Limits())) as resolver:
        assert "raise [references] max_bytes" in resolve(resolver, reference_to(image_file)).detail


@pytest.mark.parametrize(("more", "comes"), [(b"", True), (b"deadly", False)])
def test_where_workers_have_ended_an_image_is_decoded_in_a_process_apart(
    image_file: Path, more: bytes, comes: bool
) -> None:
    image_file.write_bytes(image_file.read_bytes() + more)
    settings = ReferenceSettings(allowed_prefixes=(f"file://{image_file.parent}",))
    child = DecodingSettings(child="tests.streams.decode.poison")
    with closing(Resolver(settings, Limits(), decoder=Decoder(child))) as resolver:
        marked_frame = replace(frame(reference_to(image_file)), origin=Origin("qa.l.frames", 0, 1, 1))
        resolver.submit(marked_frame, is_apart=True)
        (fetched,) = outcomes(resolver, 1)
    if comes:
        assert fetched.image is not None
        assert np.array_equal(fetched.image, IMAGE)
    else:
        assert "has ended workers, and two child processes that decoded it crashed (SIGKILL, SIGKILL)" in fetched.detail
