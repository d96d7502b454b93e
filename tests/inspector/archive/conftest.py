"""An empty archive, on each of the two databases."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.find import Archive
from tests.inspector.archive.tables import make_tables


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        make_tables(opened)
        yield opened


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """For tests whose statements others have tried on both databases."""
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as opened:
        make_tables(opened)
        yield opened


@pytest.fixture
def archive(database: Database) -> Archive:
    return Archive(database)
