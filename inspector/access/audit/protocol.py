"""What other parts need of an audit log, and one that keeps nothing."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from inspector.access.audit.record import Detail
from inspector.access.principal import Principal

NO_DETAIL: Detail = {}


class Audit(Protocol):
    """Calls block until the record is on disk: call them in a thread."""

    def append(self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL) -> object:
        """Records an act. Raises AuditError: then the act must not happen."""
        ...

    def act(
        self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL
    ) -> AbstractContextManager[None]:
        """Records an act before the block performs it, and an error of the block after it. Raises AuditError."""
        ...


class NoAudit:
    """Implements `Audit` where nothing is recorded: in tests, and for embedded use."""

    def append(self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL) -> None:
        return None

    def act(
        self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL
    ) -> AbstractContextManager[None]:
        return nullcontext()


class OutcomeUnknownError(Exception):
    """Raised by a recorded act that may have happened or may still happen; the record says just that."""


class AuditError(Exception):
    """The act cannot be recorded, and so must not happen; the message says why and what to do."""
