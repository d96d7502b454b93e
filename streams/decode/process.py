"""Decodes records within a budget of time, off the thread that asks, or in a process apart. Knows no shard.

What takes longer is a dead letter TOO_SLOW; what ends the process apart is a dead letter POISONED.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.child import ChildDiedError, DecodingChild, NoChildError
from streams.decode.items import Item
from streams.decode.limits import Limits
from streams.decode.records import decode, give_up
from streams.records import TYPE_PREFIX, Record

log = logging.getLogger("inspector.streams.decoding")

Decode = Callable[[Record, Limits, str], Item]
_SLICE_S = 0.1
_FRAME = TYPE_PREFIX + "CameraFrame"


class DecodingError(Exception):
    """Too many decodes do not end: this process should, so that their memory and cores are given back."""


@dataclass(frozen=True, slots=True)
class DecodingSettings:
    cpu_s: float = 2.0
    """CPU time that one record may take: a busy machine makes no good record slow."""
    wait_s: float = 5.0
    """How long one record is waited for at most; half the lease of the embedded log."""
    max_abandoned: int = 3
    """Decodes that were given up and go on; a thread cannot be ended."""
    max_inline_bytes: int = 64 * 1024
    """Records other than frames are decoded on the asking thread up to this size: that takes under a millisecond."""
    child: str = "streams.decode.child"
    """The module that the process apart runs."""
    child_start_s: float = 30.0


class _Hand:
    """One thread that decodes one record at a time."""

    def __init__(self, do: Decode) -> None:
        self._do = do
        self._asked: SimpleQueue[tuple[Record, Limits, str] | None] = SimpleQueue()
        self._answers: SimpleQueue[Item | BaseException] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()
        clock = self._thread.ident
        self._cpu_clock = time.pthread_getcpuclockid(clock or 0)

    def decode(self, record: Record, limits: Limits, line: str, settings: DecodingSettings) -> Item | None:
        """The item; None when it takes longer than it may. Slices of the wait are counted, not the clock: a process
        that was suspended has not been slow."""
        self._asked.put((record, limits, line))
        begin_s, slices = time.clock_gettime(self._cpu_clock), 0
        while True:
            try:
                answer = self._answers.get(timeout=_SLICE_S)
            except Empty:
                slices += 1
                used_s = time.clock_gettime(self._cpu_clock) - begin_s
                if used_s > settings.cpu_s or slices * _SLICE_S > settings.wait_s:
                    return None
            else:
                if isinstance(answer, BaseException):
                    raise answer
                return answer

    @property
    def is_at_work(self) -> bool:
        return self._thread.is_alive()

    def leave(self) -> None:
        """Ends after what is in hand."""
        self._asked.put(None)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            try:
                self._answers.put(self._do(*asked))
            except BaseException as exc:  # noqa: BLE001 - raised again where it was asked for
                self._answers.put(exc)


class Decoder:
    """`decode` as `streams.decode.records.decode`, in bounded time. One thread calls it."""

    def __init__(self, settings: DecodingSettings | None = None, do: Decode = decode) -> None:
        self._settings, self._do = settings or DecodingSettings(), do
        self._hand: _Hand | None = None
        self._abandoned: list[_Hand] = []
        self._child: DecodingChild | None = None

    def decode(self, record: Record, limits: Limits, line: str) -> Item:
        """The item of a record. Raises DecodingError."""
        if record.type != _FRAME and len(record.value) <= self._settings.max_inline_bytes:
            return self._do(record, limits, line)
        self._hand = self._hand or _Hand(self._do)
        item = self._hand.decode(record, limits, line, self._settings)
        if item is not None:
            return item
        self._abandon(self._hand)
        self._hand = None
        return self._too_slow(record, limits, line)

    def decode_apart(self, record: Record, limits: Limits, line: str) -> Item:
        """The same in a child process, whose death is the record's fault when a second child dies of it too. Raises
        DecodingError where no child can be started."""
        try:
            item = self._in_child(record, limits, line)
        except ChildDiedError as died:
            return self._once_more(record, limits, line, died)
        except NoChildError as exc:
            log.warning("Records cannot be decoded in a process apart (%s): decoding them here.", exc)
            return self.decode(record, limits, line)
        return self._too_slow(record, limits, line) if item is None else item

    def _once_more(self, record: Record, limits: Limits, line: str, died: ChildDiedError) -> Item:
        """Whatever else may have ended a child, such as the want of memory, hardly does so twice."""
        try:
            item = self._in_child(record, limits, line)
        except (ChildDiedError, NoChildError) as again:
            return _poisoned(record, limits, line, f"two processes that decoded it ended ({died}, {again})")
        return self._too_slow(record, limits, line) if item is None else item

    def give_up_again(self, record: Record, limits: Limits, line: str, reason: int) -> Item:
        """A record whose dead letter POISONED or TOO_SLOW is out is not decoded again."""
        return give_up(record, limits, line, reason, "its dead letter is out")

    def end_child(self) -> None:
        """Nothing more is decoded apart for now."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def close(self) -> None:
        self.end_child()
        if self._hand is not None:
            self._hand.leave()

    def _in_child(self, record: Record, limits: Limits, line: str) -> Item | None:
        if self._child is None:
            self._child = DecodingChild(self._settings.child, self._settings.child_start_s)
        try:
            item = self._child.decode(record, limits, line, self._settings.wait_s)
        except ChildDiedError:
            self.end_child()
            raise
        if item is None:
            self.end_child()
        return item

    def _abandon(self, hand: _Hand) -> None:
        hand.leave()
        self._abandoned = [each for each in (*self._abandoned, hand) if each.is_at_work]
        if len(self._abandoned) > self._settings.max_abandoned:
            raise DecodingError(
                f"{len(self._abandoned)} records take longer to decode than they may, and their decoding does not end: "
                "this process ends, so that memory and cores are given back; start it again"
            )

    def _too_slow(self, record: Record, limits: Limits, line: str) -> Item:
        detail = (
            f"decoding its {len(record.value)} bytes took more than {self._settings.cpu_s:g} s of computing or "
            f"{self._settings.wait_s:g} s in all: send a smaller image, or one that is coded plainly"
        )
        log.error("%s/%d, offset %d is given up: %s.", record.topic, record.partition, record.offset, detail)
        return give_up(record, limits, line, pb.DEAD_LETTER_REASON_TOO_SLOW, detail)


def _poisoned(record: Record, limits: Limits, line: str, why: str) -> Item:
    detail = (
        f"{record.topic}, partition {record.partition}, offset {record.offset} ended workers, and {why}: it is not "
        "decoded any more; look at what its producer sends"
    )
    log.error("A record is poisoned: %s.", detail)
    return give_up(record, limits, line, pb.DEAD_LETTER_REASON_POISONED, detail)
