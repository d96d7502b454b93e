"""The archive's database in both kinds, empty for each test."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.migrate import upgrade


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        upgrade(database)
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'archive.sqlite'}" if is_sqlite else request.getfixturevalue("postgres_url")
    with closing(Database(url)) as database:
        upgrade(database)
        yield database
