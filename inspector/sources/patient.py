"""A publisher that waits while the log takes nothing, until it is told to stop."""

import logging
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from streams.log import LogFullError, LogLostError, LogUnavailableError, Publisher
from streams.outage import Outage, OutageLines, OutagePolicy
from streams.records import Output

log = logging.getLogger("inspector.sources")
FIRST_S, MAX_S = 0.25, 10.0


class StoppedError(Exception):
    """The source stops, and what it was about to publish was not written."""


class PatientPublisher:
    """`streams.log.Publisher` over another one. One thread uses it."""

    def __init__(self, publisher: Publisher, stop: threading.Event) -> None:
        self._publisher, self._stop = publisher, stop
        lines = OutageLines(log, _waits, "The log takes records again.")
        policy = OutagePolicy(FIRST_S, MAX_S, errors=(LogUnavailableError, LogFullError), lost=(LogLostError,))
        self._outage = Outage(lines, policy)
        self.num_records = 0

    def publish(self, outputs: Sequence[Output]) -> None:
        """Raises StoppedError, and LogError where waiting does not help."""
        self._patiently(lambda: self._publisher.publish(outputs))
        self.num_records += len(outputs)

    def flush(self) -> None:
        """Returns when all is durable. Raises StoppedError, LogError."""
        self._patiently(self._publisher.flush)

    def close(self) -> None:
        self._publisher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _patiently(self, attempt: Callable[[], None]) -> None:
        while True:
            try:
                attempt()
            except self._outage.errors as error:
                if self._stop.wait(self._outage.failed(error)):
                    raise StoppedError(f"stopped while the log was away ({error})") from error
            else:
                self._outage.worked()
                return


def _waits(reason: object) -> str:
    full = " Delete nothing: workers free it as they read." if isinstance(reason, LogFullError) else ""
    return f"The log takes no records ({reason}). The source waits and tries again.{full}"
