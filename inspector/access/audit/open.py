"""Opens the audit log of a service, and sends its heads away while it is open."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from inspector.access.audit.heads import HeadSender
from inspector.access.audit.log import AuditLog
from inspector.access.settings import AuditSettings

log = logging.getLogger("inspector.access.audit")


def warn_of_lone_log(settings: AuditSettings) -> None:
    """Once for a service, however many of its processes open the log."""
    if not settings.heads_to:
        log.warning(
            "The audit log in %s is kept on this machine alone: whoever may write there can cut its newest records off "
            "while the service is stopped, and nobody would notice. Set [access.audit] heads_to.",
            settings.folder,
        )


@contextmanager
def open_audit(settings: AuditSettings) -> Iterator[AuditLog]:
    """Raises AuditError."""
    audit = AuditLog.of(settings)
    sender = (
        HeadSender(settings.folder, settings.heads_to, settings.heads_every_s) if settings.heads_to else nullcontext()
    )
    with sender:
        yield audit
