"""Opens the audit log of a service, and sends its heads away while it is open."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from inspector.access.audit.heads import HeadSender
from inspector.access.audit.log import AuditLog
from inspector.access.settings import AuditSettings


@contextmanager
def open_audit(settings: AuditSettings) -> Iterator[AuditLog]:
    """Raises AuditError."""
    audit = AuditLog(settings.folder)
    sender = (
        HeadSender(settings.folder, settings.heads_to, settings.heads_every_s) if settings.heads_to else nullcontext()
    )
    with sender:
        yield audit
