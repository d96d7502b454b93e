"""Servers for tests: each starts when the first test of a process needs it, and ends with the run."""

from collections.abc import Iterator

import pytest

from tests.servers.mosquitto import running_mosquitto
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.process import ServerProcess


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Shared: a test that stops it starts it again."""
    with running_postgres(outlives_power=False) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of an empty database."""
    return postgres.create_database()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Shared: a test that stops it starts it again."""
    with running_mosquitto(tmp_path_factory.mktemp("mosquitto")) as server:
        yield server
