"""Outages of the embedded log: its file cannot be read or written at present."""

import logging

from streams.log import LogUnavailableError
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.streams.embedded")

POLICY = OutagePolicy(0.05, 1.0, reminder_level=logging.ERROR, errors=(LogUnavailableError,))


def outage_of(operation: str) -> Outage:
    """`operation` begins the log lines, e.g. "Reading <file>"."""
    return Outage(
        OutageLines(
            log,
            lambda error: f"{operation} is interrupted: {error}. It is retried and continues without a restart.",
            f"{operation} continues after an interruption.",
        ),
        POLICY,
    )
