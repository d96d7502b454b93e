"""Connections to PostgreSQL: every wait has an end, for the server, for a lock, for a statement, for the network."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

CONNECT_S = 5
KEEPALIVE_S, KEEPALIVES = 10, 3
"""A connection whose other end does not answer so many times, so far apart, is broken."""
IDLE_TRANSACTION_S = 60.0
"""The server ends a transaction of ours that does nothing for so long: it would hold up the others."""

_READ_AHEAD = """
SELECT set_config(name, '64', false) FROM pg_settings
WHERE name = 'effective_io_concurrency' AND setting::integer BETWEEN 1 AND 63"""
"""The rows of a page are asked of the disk at once, where the server can (it says 0 where it cannot)."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long is waited at most, in seconds."""

    lock_s: float
    """A statement for another transaction."""
    statement_s: float
    """For a statement, by the server."""
    answer_s: float
    """For an answer, here: the server may stand still."""
    place_s: float
    """A thread for a free connection."""


def postgresql_engine(url: URL, max_connections: int, waits: Waits) -> Engine:
    """Raises ImportError without psycopg."""
    from inspector.archive.answering import AnsweringConnection  # psycopg is an extra

    engine = create_engine(
        url,
        pool_size=max_connections,
        max_overflow=0,
        pool_timeout=waits.place_s,
        connect_args=_arguments(url, waits),
    )

    def connect(
        _: Dialect, __: ConnectionPoolEntry, words: tuple[str, ...], arguments: Mapping[str, str]
    ) -> AnsweringConnection:
        connection: AnsweringConnection = AnsweringConnection.connect(*words, **arguments)  # type: ignore[arg-type]
        connection.patience_s = waits.answer_s
        connection.execute(_READ_AHEAD)
        connection.commit()
        return connection

    event.listen(engine, "do_connect", connect)
    return engine


def _arguments(url: URL, waits: Waits) -> dict[str, str | int]:
    limits = {
        "lock_timeout": waits.lock_s,
        "statement_timeout": waits.statement_s,
        "idle_in_transaction_session_timeout": IDLE_TRANSACTION_S,
    }
    options = [f"-c {name}={max(1, round(seconds * 1000))}" for name, seconds in limits.items()]
    given = url.query.get("options", ())
    return {
        "connect_timeout": CONNECT_S,
        "application_name": "inspector archive",
        "options": " ".join([*options, *([given] if isinstance(given, str) else given)]),
        "keepalives_idle": KEEPALIVE_S,
        "keepalives_interval": KEEPALIVE_S,
        "keepalives_count": KEEPALIVES,
        "tcp_user_timeout": KEEPALIVE_S * KEEPALIVES * 1000,
    }
