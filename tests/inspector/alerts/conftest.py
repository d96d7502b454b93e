"""The archive's database in both kinds, empty for each test."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from tests.inspector.archive.tables import make_tables


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        make_tables(database)
        yield database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        make_tables(database)
        yield database
