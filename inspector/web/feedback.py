"""Writes people's findings about pieces to the feedback topic, as the gateway does, and answers once it is durable."""

import threading
import time
import uuid
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from inspector.access.audit.protocol import OutcomeUnknownError
from inspector.access.rate import Buckets
from inspector.gateway.feedback import BURST_S, FEEDBACK_TYPE, check_feedback
from inspector.gateway.settings import GatewaySettings
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from streams.decode.limits import RecordError
from streams.log import Log, LogError, Publisher
from streams.observation import InspectionId
from streams.records import Output, Topics

MAX_WAITING = 16
WAIT_S = 5.0
PER_S = GatewaySettings().feedback_per_s
LABELS = {"ok": Label.LABEL_OK, "nok": Label.LABEL_NOK}


class FeedbackError(Exception):
    """The finding cannot be stored now; the message says why and what to do."""


class FeedbackLateError(FeedbackError, OutcomeUnknownError):
    """Nobody knows yet whether the finding was stored."""


class FeedbackInvalidError(Exception):
    """The finding cannot be stored as it is; the message says what to correct."""


@dataclass(frozen=True, slots=True)
class PieceFinding:
    """A person's finding about one piece."""

    label: str
    """ok or nok."""
    defects: Sequence[str] = ()
    note: str = ""


class FeedbackDesk:
    """One thread owns the publisher, which is opened for the first finding. Thread-safe; calls block."""

    def __init__(self, source: Log, prefix: str, lines: Collection[str], per_s: float = PER_S) -> None:
        """At most `per_s` findings a second, half of them from one host, in bursts of up to five seconds' worth."""
        self._rate = Buckets(per_s, per_s * BURST_S), Buckets(per_s / 2, per_s / 2 * BURST_S)
        self._rate_lock = threading.Lock()
        self._log, self._prefix, self._lines = source, prefix, lines
        self._thread = ThreadPoolExecutor(1, "web-feedback")
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._publisher: Publisher | None = None

    def admit(self, host: str) -> float:
        """0 where the host may give a finding now, else the seconds to wait."""
        total, hosts = self._rate
        with self._rate_lock:
            return total.wait_s("") or hosts.take(host) or total.take("")

    def give(self, inspection: InspectionId, finding: PieceFinding, author: str, proof: str = "") -> Feedback:
        """The stored record; `proof` is how the author was proven. Raises FeedbackError, FeedbackInvalidError."""
        message = self.checked(inspection, finding, author, proof)
        if not self._waiting.acquire(blocking=False):
            raise FeedbackError("Many findings wait to be stored: try again in a moment.")
        storing = self._thread.submit(self._store, message)
        storing.add_done_callback(self._leave)
        try:
            storing.result(WAIT_S)
        except TimeoutError:
            if storing.cancel():
                raise FeedbackError("The log does not answer: the finding is not stored. Try again later.") from None
            late = "The log did not confirm the finding in time. Look in a minute whether it is there."
            raise FeedbackLateError(late) from None
        except LogError as error:
            raise FeedbackError(f"The finding cannot be stored ({error}): try again in a moment.") from error
        return message

    def _leave(self, _: "Future[None]") -> None:
        self._waiting.release()

    def checked(self, inspection: InspectionId, finding: PieceFinding, author: str, proof: str = "") -> Feedback:
        """The finding as a record. Raises FeedbackInvalidError."""
        if finding.label not in LABELS:
            raise FeedbackInvalidError("Choose OK or NOK.")
        message = Feedback(
            inspection=Inspection(
                line=inspection.line,
                station=inspection.station,
                piece_id=inspection.piece_id,
                pass_number=inspection.pass_number,
            ),
            label=LABELS[finding.label],
            author_proof=proof,
            defects=list(finding.defects) if finding.label == "nok" else [],
            author=author,
            note=finding.note,
            given_ns=time.time_ns(),
            id=uuid.uuid4().hex,
        )
        try:
            check_feedback(message, self._lines)
        except RecordError as error:
            raise FeedbackInvalidError(error.detail) from error
        return message

    def close(self) -> None:
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _store(self, message: Feedback) -> None:
        if self._publisher is None:
            self._publisher = self._log.publisher()
        topic = Topics(self._prefix, message.inspection.line).of("feedback")
        key = message.inspection.station.encode()
        self._publisher.publish([Output(topic, None, key, message.SerializeToString(), FEEDBACK_TYPE)])
        self._publisher.flush()

    def _close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
