"""Decodes records within a time budget, on other threads or in a child process.

A record that takes longer becomes a dead letter TOO_SLOW; one that crashes the child process becomes POISONED.
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
    """Too many decodes do not end: this process must end to free their memory and cores."""


@dataclass(frozen=True, slots=True)
class DecodingSettings:
    cpu_s: float = 2.0
    """CPU time that one record may take, which does not depend on the load of the machine."""
    wait_s: float = 5.0
    """Longest wait for one record; half the lease of the embedded log."""
    max_abandoned: int = 3
    """Decodes that were given up and still run: a thread cannot be stopped."""
    max_inline_bytes: int = 64 * 1024
    """Records other than frames, up to this size, are decoded on the calling thread: that takes under a millisecond."""
    child: str = "streams.decode.child"
    """The module that the child process runs."""
    child_start_s: float = 30.0


class _DecodingThread:
    """One thread that decodes one record at a time."""

    def __init__(self, decode_record: Decode) -> None:
        self._decode_record = decode_record
        self._requests: SimpleQueue[tuple[Record, Limits, str] | None] = SimpleQueue()
        self._answers: SimpleQueue[Item | BaseException] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()
        clock = self._thread.ident
        self._cpu_clock, self._begin_s = time.pthread_getcpuclockid(clock or 0), 0.0

    def begin(self, record: Record, limits: Limits, line: str) -> None:
        self._begin_s = time.clock_gettime(self._cpu_clock)
        self._requests.put((record, limits, line))

    def finish(self, settings: DecodingSettings) -> Item | None:
        """The item of the record begun; None when it exceeds its budget. Counts slices of the wait, not the clock: a
        suspended process is not slow."""
        slices = 0
        while True:
            try:
                answer = self._answers.get(timeout=_SLICE_S)
            except Empty:
                slices += 1
                used_s = time.clock_gettime(self._cpu_clock) - self._begin_s
                if used_s > settings.cpu_s or slices * _SLICE_S > settings.wait_s:
                    return None
            else:
                if isinstance(answer, BaseException):
                    raise answer
                return answer

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ends the thread after its current record."""
        self._requests.put(None)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._answers.put(self._decode_record(*request))
            except BaseException as exc:  # noqa: BLE001 - raised again in the calling thread
                self._answers.put(exc)


class Decoder:
    """`decode` as `streams.decode.records.decode`, in bounded time. One thread calls it."""

    def __init__(
        self, settings: DecodingSettings | None = None, decode_record: Decode = decode, num_ahead: int = 0
    ) -> None:
        """`num_ahead` records at most are decoded before `decode` is called with them."""
        self._settings, self._decode_record, self._num_ahead = settings or DecodingSettings(), decode_record, num_ahead
        self._idle: list[_DecodingThread] = []
        self._begun: dict[tuple[str, int, int], _DecodingThread] = {}
        """By topic, partition and offset."""
        self._abandoned: list[_DecodingThread] = []
        self._child: DecodingChild | None = None

    def decode(self, record: Record, limits: Limits, line: str) -> Item:
        """The item of a record. Raises DecodingError."""
        if self._is_quick(record):
            return self._decode_record(record, limits, line)
        thread = self._begun.pop(_key(record), None) or self._start(record, limits, line)
        try:
            item = thread.finish(self._settings)
        except BaseException:
            self._idle.append(thread)
            raise
        if item is not None:
            self._idle.append(thread)
            return item
        self._abandon(thread)
        return self._too_slow(record, limits, line)

    def begin(self, record: Record, limits: Limits, line: str) -> bool:
        """Starts to decode a record that `decode` takes later, where it takes long. False where no thread is free."""
        if self._is_quick(record) or _key(record) in self._begun:
            return True
        if len(self._begun) >= self._num_ahead:
            return False
        self._begun[_key(record)] = self._start(record, limits, line)
        return True

    def forget_begun(self) -> None:
        """Drops records that `decode` is not called with any more."""
        for thread in self._begun.values():
            thread.stop()
        self._begun.clear()

    def _is_quick(self, record: Record) -> bool:
        return record.type != _FRAME and len(record.value) <= self._settings.max_inline_bytes

    def _start(self, record: Record, limits: Limits, line: str) -> _DecodingThread:
        thread = self._idle.pop() if self._idle else _DecodingThread(self._decode_record)
        thread.begin(record, limits, line)
        return thread

    def decode_in_child(self, record: Record, limits: Limits, line: str) -> Item:
        """Decodes in a child process. A record is poisoned if a second child also dies of it. Without a child process
        it is decoded here: raises DecodingError then."""
        try:
            item = self._in_child(record, limits, line)
        except ChildDiedError as died:
            return self._retry_in_child(record, limits, line, died)
        except NoChildError as exc:
            log.warning("The child process for decoding cannot be started (%s): decoding in the worker itself.", exc)
            return self.decode(record, limits, line)
        return self._too_slow(record, limits, line) if item is None else item

    def _retry_in_child(self, record: Record, limits: Limits, line: str, died: ChildDiedError) -> Item:
        """Other causes of a crash, such as a lack of memory, hardly occur twice."""
        try:
            item = self._in_child(record, limits, line)
        except (ChildDiedError, NoChildError) as again:
            return _poisoned(record, limits, line, f"two child processes that decoded it crashed ({died}, {again})")
        return self._too_slow(record, limits, line) if item is None else item

    def reject_again(self, record: Record, limits: Limits, line: str, reason: int) -> Item:
        """Rejects a record that already has a dead letter POISONED or TOO_SLOW, without decoding it."""
        return give_up(record, limits, line, reason, "it already has a dead letter")

    def end_child(self) -> None:
        """Ends the child process until the next `decode_in_child`."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def close(self) -> None:
        self.end_child()
        self.forget_begun()
        for thread in self._idle:
            thread.stop()

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

    def _abandon(self, thread: _DecodingThread) -> None:
        thread.stop()
        self._abandoned = [running for running in (*self._abandoned, thread) if running.is_alive]
        if len(self._abandoned) > self._settings.max_abandoned:
            raise DecodingError(
                f"{len(self._abandoned)} records exceed their decoding time, and their decoding does not end: this "
                "process ends to free their memory and cores; start it again"
            )

    def _too_slow(self, record: Record, limits: Limits, line: str) -> Item:
        detail = (
            f"decoding its {len(record.value)} bytes took more than {self._settings.cpu_s:g} s of CPU time or "
            f"{self._settings.wait_s:g} s in all: send a smaller or more simply encoded image"
        )
        log.error(
            "%s/%d: the record at offset %d is rejected: %s.", record.topic, record.partition, record.offset, detail
        )
        return give_up(record, limits, line, pb.DEAD_LETTER_REASON_TOO_SLOW, detail)


def _key(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _poisoned(record: Record, limits: Limits, line: str, cause: str) -> Item:
    detail = (
        f"the record at {record.topic}, partition {record.partition}, offset {record.offset} has ended workers, and "
        f"{cause}: it is not decoded again; check its producer"
    )
    log.error("A record crashes the decoder: %s.", detail)
    return give_up(record, limits, line, pb.DEAD_LETTER_REASON_POISONED, detail)
