"""Review desks on both databases."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from inspector.review.settings import ReviewSettings
from tests.inspector.archive.tables import postgres_archive
from tests.inspector.review.desk_parts import Floor, floor
from tests.servers.databases import DATABASES

Floors = Callable[..., Floor]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an archive without verdicts."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.sqlite'}"
    return postgres_archive(request.getfixturevalue("postgres"))


@pytest.fixture
def floors(url: str) -> Iterator[Floors]:
    """Opens a review desk with these settings; without others each piece needs one answer and no known pieces come."""
    with ExitStack() as stack:

        def open_floor(**settings: object) -> Floor:
            values = {"second_share": 0.0, "known_share": 0.0, "second_after_unsure": False, **settings}
            return stack.enter_context(floor(url, ReviewSettings(**values)))  # type: ignore[arg-type]

        yield open_floor
