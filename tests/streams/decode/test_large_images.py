"""Large images are decoded on a separate thread, one at a time, and each frame is accounted for once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from streams.decode.items import EventKind, Frame, Item, Origin, Rejected
from streams.decode.large_images import Decoded, LargeImage, LargeImages, LargeImageSettings
from streams.decode.limits import Limits
from streams.decode.process import Decoder, DecodingError
from streams.observation import CloseReason, MissingReason, State
from streams.records import Record
from tests.streams.join.join_model import FRAMES, PIECES, SETTINGS, Make, bad_frame, event, frame
from tests.streams.join.join_rig import P, Rig, at_s, only

SIZE = 100
SMALL = LargeImageSettings(min_bytes=50, max_waiting_bytes=3 * SIZE, max_record_bytes=30, patience_s=1.0)


class SlowDecoder(Decoder):
    """Decodes a record only when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_continue = threading.Semaphore(0)
        self.begun: list[int] = []

    def decode(self, record: Record, limits: Limits, line: str) -> Item:
        self.begun.append(record.offset)
        if not self.may_continue.acquire(timeout=60):
            raise AssertionError("never released")
        if record.value == b"hangs":
            raise DecodingError("too many decodes hang")
        return replace(frame_at(record.offset), image=np.zeros(SIZE, np.uint8))


def frame_at(offset: int) -> Frame:
    item = without_image("p")(Origin(FRAMES.topic, 0, offset, 0))
    assert isinstance(item, Frame)
    return item


def without_image(piece: str) -> Make:
    complete = frame(P._replace(piece_id=piece), "top", 0, at_s(0))

    def incomplete(origin: Origin) -> Item:
        item = complete(origin)
        assert isinstance(item, Frame)
        return replace(item, image=None)

    return incomplete


@dataclass
class Queue:
    """The queue under test and its clock."""

    decoder: SlowDecoder = field(default_factory=SlowDecoder)
    now_s: float = 0.0

    @contextmanager
    def open(self) -> Iterator[LargeImages]:
        with closing(LargeImages(Limits(), self.decoder, SMALL, lambda: self.now_s)) as large:
            yield large
            for _ in range(9):
                self.decoder.may_continue.release()


def image(offset: int, is_needed: Callable[[], bool] = lambda: True, value: bytes = b"x" * 10) -> LargeImage:
    return LargeImage(frame_at(offset), Record(FRAMES.topic, 0, offset, b"", value, "", 0), "line", SIZE, is_needed)


def anything(_: Frame, num_bytes: int) -> bool:
    return num_bytes == SIZE


def next_of(large: LargeImages, has_room: Callable[[Frame, int], bool] = anything) -> Decoded:
    for _ in range(12_000):
        if ready := large.finished(has_room):
            return ready
        threading.Event().wait(0.005)
    raise AssertionError("nothing comes")


def test_images_come_in_order_one_at_a_time() -> None:
    queue = Queue()
    with queue.open() as large:
        for offset in (1, 2, 3):
            large.submit(image(offset))
        assert large.finished(anything) is None
        for offset in (1, 2, 3):
            queue.decoder.may_continue.release()
            assert next_of(large).frame.origin.offset == offset
            assert queue.decoder.begun[-1] == offset, "the next one begins a turn later"


@pytest.mark.parametrize(
    ("size", "num_bytes", "may_wait"),
    [(49, 1, False), (50, 1, True), (101, 1, False), (100, 10, True), (50, 11, False)],
)
def test_waiting_images_are_bounded_in_decoded_and_record_bytes(size: int, num_bytes: int, may_wait: bool) -> None:
    """Two of 100 decoded and 10 wire bytes wait already; 300 and 30 may."""
    queue = Queue()
    with queue.open() as large:
        large.submit(image(1))
        large.submit(image(2))
        assert large.has_room_for(size, num_bytes) is may_wait


def test_an_image_that_no_piece_needs_is_not_decoded() -> None:
    queue = Queue()
    with queue.open() as large:
        large.submit(image(1, is_needed=lambda: False))
        large.submit(image(2))
        queue.decoder.may_continue.release()
        assert next_of(large).frame.origin.offset == 2
        assert queue.decoder.begun == [2]


def test_an_image_without_room_waits_for_a_second_and_comes_anyway() -> None:
    queue = Queue()
    with queue.open() as large:
        large.submit(image(1))
        queue.decoder.may_continue.release()
        refused = threading.Event()

        def has_room(_: Frame, __: int) -> bool:
            refused.set()
            return False

        while not refused.wait(0.005):
            assert large.finished(has_room) is None
        queue.now_s = 0.99
        assert large.finished(has_room) is None
        queue.now_s = 1.01
        assert large.finished(has_room) is not None


def test_decodes_that_hang_end_the_worker() -> None:
    queue = Queue()
    with queue.open() as large:
        large.submit(image(1, value=b"hangs"))
        queue.decoder.may_continue.release()
        with pytest.raises(DecodingError, match="too many decodes hang"):
            next_of(large)


# The join with a frame whose image comes later


def pending(rig: Rig, piece: str = "p") -> Frame:
    rig.put(FRAMES, 0.0, without_image(piece))
    (waiting,) = rig.join.references()
    return waiting


def test_a_piece_waits_for_its_image_however_long_while_others_continue() -> None:
    rig = Rig()
    waiting = pending(rig)
    rig.put(FRAMES, 0.0, frame(P._replace(piece_id="q"), "top", 0, at_s(0)))
    assert [observation.inspection.piece_id for observation in rig.pass_s(30.0)] == ["q"]
    rig.join.decoded(waiting, replace(waiting, image=np.zeros((2, 2), np.uint8)))
    assert only(rig.advance()).views["top"].state is State.PRESENT
    assert rig.reasons() == []


def test_an_image_that_cannot_be_decoded_is_one_dead_letter_and_its_piece_continues() -> None:
    rig = Rig()
    waiting = pending(rig)
    rejected = bad_frame(P, "top", at_s(0))(waiting.origin)
    assert isinstance(rejected, Rejected)
    rig.join.decoded(waiting, rejected)
    rig.join.decoded(waiting, rejected)
    view = only(rig.pass_s(5.0)).views["top"]
    assert (view.state, view.absence) == (State.MISSING, MissingReason.UNDECODABLE)
    assert rig.reasons() == ["BAD_IMAGE"]


def test_a_piece_closed_for_lack_of_room_reports_that_its_image_was_not_decoded() -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=1))
    waiting = pending(rig)
    rig.put(FRAMES, 0.0, frame(P._replace(piece_id="q"), "top", 0, at_s(0)))
    assert only(rig.advance()).closing is CloseReason.STATE_LIMIT
    rig.join.decoded(waiting, replace(waiting, image=np.zeros((2, 2), np.uint8)))
    assert rig.reasons() == ["TOO_SLOW"]


def test_an_aborted_piece_needs_no_image() -> None:
    rig = Rig()
    waiting = pending(rig)
    rig.put(PIECES, 0.0, event(P, EventKind.ABORTED, at_s(0)))
    assert only(rig.pass_s(1.0)).closing is CloseReason.ABORTED
    rig.join.decoded(waiting, bad_frame(P, "top", at_s(0))(waiting.origin))
    assert not rig.join.is_fetching(waiting)
    assert rig.reasons() == []
