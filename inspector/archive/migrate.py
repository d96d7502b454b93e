"""Brings the tables of a database to the schema of this version, in one transaction, by one program at a time."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table, text

from inspector.archive.database import Database, DatabaseError
from inspector.archive.metadata import METADATA

if TYPE_CHECKING:  # it is imported where there is something to do, which is rare
    from alembic.config import Config

log = logging.getLogger("inspector.archive")

HEAD = "0001"
"""The last step that this version knows."""
_FOLDER = Path(__file__).parent / "migrations"
_NOTE = table("alembic_version", column("version_num"))
_LOCK = 0x696E7370
"""Number of the advisory lock that PostgreSQL gives to one program at a time."""


def upgrade(database: Database) -> None:
    """Costs one look-up where nothing is to be done. Raises StoreError; DatabaseError for tables of another program
    or of a newer version."""
    for name in ("alembic.runtime.migration", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)  # it tells every step that it thinks of
    with database.read() as connection:
        if _revision(connection) == HEAD:
            return
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        before = _revision(connection)
        if before == HEAD:
            return
        _check(database, connection, before)
        _upgrade(connection)
    log.info("The archive %s has its tables now (version %s, before: %s).", database.name, HEAD, before or "none")


def _revision(connection: Connection) -> str | None:
    """The step that alembic noted last; None in a database without its table."""
    if not inspect(connection).has_table(_NOTE.name):
        return None
    return connection.execute(select(_NOTE.c.version_num)).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command

    command.upgrade(_config(connection), "head")


def _check(database: Database, connection: Connection, before: str | None) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_config(connection)).walk_revisions()}
    if before is not None and before not in known:
        raise DatabaseError(
            f"the archive {database.name} was written by a newer version of this program (its tables have version "
            f"{before}, expected at most {HEAD}): update this program, or name another database"
        )
    foreign = set(inspect(connection).get_table_names()) & set(METADATA.tables)
    if before is None and foreign:
        raise DatabaseError(
            f"the database {database.name} has tables of another program ({', '.join(sorted(foreign)[:5])}): name "
            "another database for the archive"
        )


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
