"""Appends records of acts to a folder's audit log, from any number of processes."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Self

from inspector.access.audit.files import (
    HEADS_FILE,
    LOCK_FILE,
    LOG_FILE,
    append_line,
    cut_torn,
    holds,
    last_line,
    last_place,
    torn_bytes,
)
from inspector.access.audit.heads import newest_head
from inspector.access.audit.key import KEY_FILE, AuditKey, AuditKeyError
from inspector.access.audit.protocol import NO_DETAIL, AuditError, OutcomeUnknownError
from inspector.access.audit.record import (
    NO_HEAD,
    Detail,
    Head,
    Record,
    RecordError,
    digest_of,
    line_of,
    parsed,
    record_of,
)
from inspector.access.audit.retention import NO_LIMITS, REMOVE, Limits, removal, remove
from inspector.access.audit.segments import (
    SEGMENT,
    begins_after,
    close_segment,
    closed_name,
    file_of,
    newest_file,
    newest_line,
)
from inspector.access.file_lock import locked
from inspector.access.principal import Principal
from inspector.access.roles import Role
from inspector.access.settings import AuditSettings

log = logging.getLogger("inspector.access.audit")

DEFAULT = AuditSettings()
CHECK_NS = 3600 * 10**9
"""The first act after this time, and the first one in a file, looks for files beyond the limits."""
SYSTEM = Principal("inspector", Role.ENGINEER, "system")
"""The service itself, which begins and repairs its log."""


class AuditLog:
    """Implements `Audit`: `log.jsonl`, `heads.jsonl`, their closed segments, the signing key and a lock in one folder.
    Thread-safe."""

    def __init__(
        self,
        folder: Path,
        clock_ns: Callable[[], int] = time.time_ns,
        segment_bytes: int = DEFAULT.segment_bytes,
        limits: Limits = NO_LIMITS,
    ) -> None:
        """Makes the folder, the key and the first record where there are none. Raises AuditError."""
        self.folder, self._clock_ns, self._segment_bytes, self._limits = folder, clock_ns, segment_bytes, limits
        self._checked_ns = 0
        self._lock = Lock()
        self._end, self._line = 0, b""
        """Of the newest segment, as this process saw it last: since each record follows from the one before it, a log
        that still has this line there was only added to."""
        with self._changing():
            self._key = self._begin()
        self.public_key = self._key.public

    @classmethod
    def of(cls, settings: AuditSettings) -> Self:
        """Raises AuditError."""
        limits = Limits(settings.keep_days, settings.max_bytes)
        return cls(settings.folder, segment_bytes=settings.segment_bytes, limits=limits)

    def append(self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL) -> Record:
        """Returns once the record is on disk. Waits up to ten seconds for other processes. Raises AuditError."""
        with self._changing():
            record, head = self._append(self._newest_head(), principal, action, target, detail)
            self._keep_limits(head)
            return record

    @contextmanager
    def act(self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL) -> Iterator[None]:
        """Records the act before the block performs it, and an error of the block as a second record."""
        record = self.append(principal, action, target, detail)
        try:
            yield
        except BaseException as error:
            how = "outcome unknown" if isinstance(error, OutcomeUnknownError) else "failed"
            self.append(principal, action, target, {how: type(error).__name__, "record": record.number})
            raise

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            with self._lock:
                self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                with locked(self.folder / LOCK_FILE):
                    yield
        except (AuditKeyError, RecordError) as exc:
            raise AuditError(str(exc)) from exc
        except OSError as exc:
            raise AuditError(
                f"the audit log in {self.folder} cannot be written ({exc.strerror}): check rights and space, or set "
                "[access.audit] folder"
            ) from exc

    def _begin(self) -> AuditKey:
        is_new = newest_line(self.folder) == b""
        self._check_complete(is_new)
        key = self._key = AuditKey.at(self.folder)
        if is_new:
            self._append(NO_HEAD, SYSTEM, "audit.begin", "", NO_DETAIL)
        self._end, self._line = last_place(newest_file(self.folder))
        return key

    def _check_complete(self, is_new: bool) -> None:
        key, file = self.folder / KEY_FILE, self.folder / LOG_FILE
        if not is_new and not key.exists():
            raise AuditKeyError(
                f"{key} is gone, and {LOG_FILE} was signed with it: restore it, or move the folder away and keep it"
            )
        if is_new and (key.exists() or torn_bytes(file)):
            raise AuditKeyError(
                f"{key} has signed records, and {file} has none: restore the log, or move the folder away and keep it "
                "(a first start that was interrupted leaves this, too)"
            )
        if not is_new and self._own_head().number > parsed(newest_line(self.folder))[1].number:
            raise AuditError(f"{file} ends before its heads: records were cut off; run `inspector audit verify`")

    def _own_head(self) -> Head:
        try:
            return newest_head(self.folder)
        except RecordError:
            return NO_HEAD  # `inspector audit verify` names the line

    def _check_not_cut(self) -> None:
        if not (holds(self.folder / LOG_FILE, self._end, self._line) or self._is_in_closed_segment()):
            raise AuditError(
                f"{self.folder / LOG_FILE} was cut or replaced while this process ran: keep it as it is, run "
                "`inspector audit verify` with heads kept elsewhere, restore it, and start again"
            )

    def _is_in_closed_segment(self) -> bool:
        """Whether another process closed the segment of the newest record that this process saw. Where that was moved
        away since, the segments after it begin with later records."""
        number = parsed(self._line)[0].number
        file = file_of(self.folder, number)
        return holds(file, self._end, self._line) or begins_after(file, number)

    def _newest_head(self) -> Head:
        """Of the last whole record; does what a crash left undone: cuts off the rest of an unfinished record, and
        records that; begins the segment after one that was closed."""
        self._check_not_cut()
        file = self.folder / LOG_FILE
        line = newest_line(self.folder)
        head = parsed(line)[1] if line else NO_HEAD
        torn = torn_bytes(file)
        cut_torn(file)
        if line and not last_line(file):
            head = self._begin_segment(head)
        if torn:
            return self._append(head, SYSTEM, "audit.repair", "", {"unfinished_bytes": torn})[1]
        return head

    def _append(
        self, head: Head, principal: Principal, action: str, target: str, detail: Detail
    ) -> tuple[Record, Head]:
        """The record after `head`, in a segment with room for it, and its own head."""
        record = record_of(head, self._clock_ns(), principal, action, target, detail)
        if self._has_room(record):
            return self._write(record)
        head = self._begin_segment(head)
        return self._write(record_of(head, self._clock_ns(), principal, action, target, detail))

    def _has_room(self, record: Record) -> bool:
        file = self.folder / LOG_FILE
        size = file.stat().st_size if file.exists() else 0
        return size == 0 or size + len(line_of(record, self._signed(record))) <= self._segment_bytes

    def _keep_limits(self, head: Head) -> None:
        """Removes files beyond the limits, after a record of it; `head` is the newest one. An act goes on without."""
        now_ns = self._clock_ns()
        if not self._limits.any or 0 <= now_ns - self._checked_ns < CHECK_NS:
            return
        self._checked_ns = now_ns
        try:
            for _ in range(2):  # the record of a removal may close a file itself
                if (old := removal(self.folder, self._limits, self._segment_bytes, now_ns)) is None:
                    break
                _, head = self._append(head, SYSTEM, REMOVE, old.target, old.detail)
                remove(self.folder, old.last.number)
        except (OSError, RecordError) as exc:
            log.warning(
                "Old files of the audit log in %s are beyond its limits and were not removed (%s): check the rights, "
                "and run `inspector audit verify`.",
                self.folder,
                exc,
            )

    def _begin_segment(self, head: Head) -> Head:
        self._checked_ns = 0
        close_segment(self.folder, head)
        target = closed_name(LOG_FILE, head.number)
        return self._write(record_of(head, self._clock_ns(), SYSTEM, SEGMENT, target, NO_DETAIL))[1]

    def _write(self, record: Record) -> tuple[Record, Head]:
        head = self._signed(record)
        append_line(self.folder / LOG_FILE, line_of(record, head))
        self._end, self._line = last_place(self.folder / LOG_FILE)
        cut_torn(self.folder / HEADS_FILE)
        append_line(self.folder / HEADS_FILE, head.line)
        return record, head

    def _signed(self, record: Record) -> Head:
        return self._key.head(record.number, digest_of(record))
