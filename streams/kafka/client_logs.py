"""The log lines of kafka-python. Without an import of it, which takes a moment that a line without Kafka saves."""

import logging


def quiet_client_logs() -> None:
    """Silences kafka-python's own logger, which floods during an outage; `connection_monitor` logs the outage
    instead."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
