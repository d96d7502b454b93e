"""The one statement that SQLAlchemy spells per database: insert unless there, insert or update."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Table) -> postgresql.Insert:
    """Has `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases take in the same form."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]  # the same methods, and no common base
    return postgresql.insert(table)
