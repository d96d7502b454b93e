"""Limits failed sign-ins, and records them without letting a stranger fill the audit log."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from inspector.access.audit.protocol import Audit
from inspector.access.audit.record import Detail
from inspector.access.principal import Principal
from inspector.access.rate import Buckets
from inspector.access.roles import Role

RECORDS_PER_S = 1 / 60.0
"""Records of failed sign-ins of one address; and ten times as many of all."""
_ALL = "all"


class Failures:
    """Of one page server. Use in its event loop."""

    def __init__(self, buckets: Buckets, audit: Audit) -> None:
        self._buckets, self._audit = buckets, audit
        self._of_one = Buckets(RECORDS_PER_S, 1.0)
        self._of_all = Buckets(10 * RECORDS_PER_S, 10.0)
        self._num_unrecorded = 0

    def check(self, host: str) -> None:
        """Raises HTTPException where too many have failed from there."""
        wait_s = self._buckets.wait_s(host)
        if wait_s > 0:
            raise HTTPException(429, "sign-in failed too often from here", {"retry-after": str(int(wait_s) + 1)})

    async def note(self, host: str, why: str) -> None:
        self._buckets.take(host)
        self._num_unrecorded += 1
        if self._of_one.wait_s(host) > 0 or self._of_all.wait_s(_ALL) > 0:
            return
        self._of_one.take(host)
        self._of_all.take(_ALL)
        number, self._num_unrecorded = self._num_unrecorded, 0
        stranger = Principal("unknown", Role.VIEWER, "anonymous")
        detail: Detail = {"why": why, "number": number}
        await run_in_threadpool(self._audit.append, stranger, "sign-in.failed", host, detail)
