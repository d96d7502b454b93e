"""The archive's database in both kinds, empty for each test."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from tests.inspector.archive.tables import make_tables, postgres_archive
from tests.servers.databases import DATABASES


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        make_tables(database)
        yield database


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    file_url = f"sqlite:///{tmp_path / 'archive.sqlite'}"
    with closing(
        Database(file_url if is_sqlite else postgres_archive(request.getfixturevalue("postgres")))
    ) as database:
        make_tables(database)
        yield database
