"""Failed sign-ins on the page."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from inspector.access.audit.protocol import Audit
from inspector.access.failures import Failures
from inspector.access.settings import RateSettings


class PageFailures:
    """Of one page server. Use in its event loop."""

    def __init__(self, settings: RateSettings, audit: Audit) -> None:
        self._failures = Failures(settings, audit)

    async def note(self, host: str, why: str) -> None:
        """Counts one. Raises HTTPException where too many have failed from there; credentials that are right are never
        refused for it, since many people may share one address."""
        wait_s = self._failures.wait_s(host)
        if wait_s > 0:
            raise HTTPException(429, "sign-in failed too often from here", {"retry-after": str(int(wait_s) + 1)})
        if (write := self._failures.note(host, why)) is not None:
            await run_in_threadpool(write)
