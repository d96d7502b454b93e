"""Writes feedback of people to the log and answers once it is durable."""

import asyncio
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from inspector.access.audit.protocol import Audit, AuditError
from inspector.access.audit.record import Detail
from inspector.access.author import author_of
from inspector.access.principal import Principal
from inspector.gateway.callers import Caller
from inspector.gateway.lookup import Lookup, inspection_id
from inspector.gateway.places import Places
from inspector.gateway.rate import Rate
from inspector.gateway.refusal import exhausted, invalid_argument, unavailable
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from streams.decode.limits import RecordError, check_name, check_text, invalid, is_time
from streams.log import Log, LogError, LogFullError, Publisher
from streams.records import TYPE_PREFIX, Output, Topics

MAX_NOTE_BYTES = 4096
MAX_DEFECTS = 64
MAX_WAITING = 32
BURST_S = 5.0
CLIENT_ID = "client/"
"""Before the ids that clients choose: they must not be those of the review desk, or of a page."""
FEEDBACK_TYPE = TYPE_PREFIX + "Feedback"
LABELS = frozenset({Label.LABEL_OK, Label.LABEL_NOK, Label.LABEL_UNSURE, Label.LABEL_WITHDRAWN})


def check_feedback(feedback: Feedback, lines: Collection[str]) -> None:
    """Raises RecordError."""
    named = feedback.inspection
    if check_name("line", named.line) not in lines:
        raise invalid(f"line is {named.line!r}, expected one of {', '.join(sorted(lines))}: correct it")
    check_name("station", named.station)
    check_text("piece_id", named.piece_id)
    check_text("author", feedback.author, required=False)
    check_text("id", feedback.id, required=False)
    if feedback.label not in LABELS:
        raise invalid(f"label is {feedback.label}, expected OK, NOK, UNSURE or WITHDRAWN: set it")
    if len(feedback.defects) > MAX_DEFECTS:
        raise invalid(f"{len(feedback.defects)} defects, expected at most {MAX_DEFECTS}")
    for defect in feedback.defects:
        check_text("defect", defect)
    if (size := len(feedback.note.encode())) > MAX_NOTE_BYTES:
        raise invalid(f"the note has {size} bytes, expected at most {MAX_NOTE_BYTES}: shorten it")
    if not is_time(feedback.given_ns):
        raise invalid(f"given_ns is {feedback.given_ns}, expected nanoseconds since 1970, or 0 for now")


class FeedbackWriter:
    """Writes feedback on pieces with a verdict, at a limited rate per host and in total.

    One thread owns the publisher, which is opened for the first feedback.
    """

    def __init__(
        self, source: Log, prefix: str, lines: Collection[str], lookup: Lookup, per_s: float, audit: Audit
    ) -> None:
        """At most `per_s` messages a second, half of them from one host, in bursts of up to five seconds' worth."""
        self._log, self._prefix, self._lines, self._lookup = source, prefix, lines, lookup
        self._audit = audit
        self._rate = Rate(per_s, BURST_S)
        self._waiting = Places("feedback messages that wait to be stored", MAX_WAITING)
        self._thread = ThreadPoolExecutor(1, "gateway-feedback")
        self._publisher: Publisher | None = None

    async def write(self, feedback: Feedback, caller: Caller, principal: Principal) -> None:
        """Returns once the feedback is in the log, with the principal as its author; `given_ns` 0 becomes now. Raises
        StatusError."""
        message = Feedback()
        message.CopyFrom(feedback)
        message.given_ns = message.given_ns or time.time_ns()
        message.author, message.author_proof = author_of(principal, feedback.author)
        try:
            check_feedback(message, self._lines)
            message.id = f"{CLIENT_ID}{message.id}" if message.id else ""
            self._rate.take(caller.host)
            async with self._waiting.place(caller):
                await self._lookup.find(inspection_id(message.inspection), caller, wait=True)
                await asyncio.get_running_loop().run_in_executor(self._thread, self._record, message, principal)
        except RecordError as error:
            raise invalid_argument(error.detail) from error
        except LogFullError as full:
            raise exhausted(str(full)) from full
        except LogError as error:
            raise unavailable(f"the feedback cannot be stored ({error}): try again later") from error
        except AuditError as error:
            raise unavailable(f"the feedback was not stored, because {error}") from error

    def close(self) -> None:
        self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    def _record(self, feedback: Feedback, principal: Principal) -> None:
        with self._audit.act(principal, "feedback.give", _name_of(feedback.inspection), _detail(feedback)):
            self._publish(feedback)

    def _publish(self, feedback: Feedback) -> None:
        if self._publisher is None:
            self._publisher = self._log.publisher()
        topic = Topics(self._prefix, feedback.inspection.line).of("feedback")
        key = feedback.inspection.station.encode()
        self._publisher.publish([Output(topic, None, key, feedback.SerializeToString(), FEEDBACK_TYPE)])
        self._publisher.flush()

    def _close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()


def _name_of(inspection: Inspection) -> str:
    return f"{inspection.line}/{inspection.station}/{inspection.piece_id}/{inspection.pass_number}"


def _detail(feedback: Feedback) -> Detail:
    """Without the note, which is in the log and may be long."""
    detail = {"label": enum_word(Label, feedback.label), "defects": ", ".join(feedback.defects)}
    if not feedback.author_proof and feedback.author:
        detail["author"] = feedback.author
    return detail
