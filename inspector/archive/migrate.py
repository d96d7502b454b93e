"""Brings the tables of a database to the schema of this version."""

from inspector.archive import schema  # noqa: F401 - defines the tables
from inspector.archive.database import Database
from inspector.archive.metadata import METADATA


def upgrade(database: Database) -> None:
    """Creates the tables that are missing. Raises StoreError."""
    with database.write() as connection:
        METADATA.create_all(connection)
