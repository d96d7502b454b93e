"""Archives without verdicts whose tables are copies: making them takes longer than many a test."""

from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from tests.servers.postgres import Postgres


def make_tables(database: Database) -> None:
    """Like `upgrade`; a new SQLite file is copied from one that was upgraded in this process."""
    file = database.path
    if file is not None and not file.exists():
        file.touch(0o600)
        file.write_bytes(_sqlite_file())
    upgrade(database)


def postgres_archive(server: Postgres) -> str:
    """The address of a new database with tables."""
    return server.create_database(_upgrade)


@cache
def _sqlite_file() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "archive.sqlite"
        _upgrade(f"sqlite:///{file}")
        return file.read_bytes()


def _upgrade(url: str) -> None:
    with closing(Database(url)) as database:
        upgrade(database)
