"""Limits failed sign-ins, and records them without letting a stranger fill the audit log."""

from collections.abc import Callable
from functools import partial

from inspector.access.audit.protocol import Audit
from inspector.access.audit.record import Detail
from inspector.access.principal import Principal
from inspector.access.rate import Buckets
from inspector.access.roles import Role
from inspector.access.settings import RateSettings

RECORD_EVERY_S = 60.0
"""Least time between two records of failed sign-ins of one address; all together may have ten in that time."""
STRANGER = Principal("unknown", Role.VIEWER, "anonymous")
_ALL = "all"


class Failures:
    """Of one server. Use in one event loop."""

    def __init__(self, settings: RateSettings, audit: Audit) -> None:
        per_minute = settings.sign_ins_per_minute
        self._failures, self._audit = Buckets(per_minute / 60.0, per_minute), audit
        self._of_one = Buckets(1 / RECORD_EVERY_S, 1.0)
        self._of_all = Buckets(10 / RECORD_EVERY_S, 10.0)
        self._num_unrecorded = 0

    def wait_s(self, host: str) -> float:
        """How long sign-in from there is refused, because it failed too often; 0 if it is not."""
        return self._failures.wait_s(host)

    def note(self, host: str, why: str) -> Callable[[], object] | None:
        """Counts a failure. Returns the write of its record where one is due: call it in a thread."""
        self._failures.take(host)
        self._num_unrecorded += 1
        if self._of_one.wait_s(host) > 0 or self._of_all.wait_s(_ALL) > 0:
            return None
        self._of_one.take(host)
        self._of_all.take(_ALL)
        detail: Detail = {"why": why, "number": self._num_unrecorded}
        self._num_unrecorded = 0
        return partial(self._audit.append, STRANGER, "sign-in.failed", host, detail)
