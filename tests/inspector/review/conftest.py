"""Review desks on both databases."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from inspector.review.settings import ReviewSettings
from tests.inspector.review.desk_parts import Floor, floor

Floors = Callable[..., Floor]


@pytest.fixture
def floors(database_url: str) -> Iterator[Floors]:
    """Opens a review desk with these settings; without others each piece needs one answer and no known pieces come."""
    with ExitStack() as stack:

        def open_floor(**settings: object) -> Floor:
            values = {"second_share": 0.0, "known_share": 0.0, "second_after_unsure": False, **settings}
            return stack.enter_context(floor(database_url, ReviewSettings(**values)))  # type: ignore[arg-type]

        yield open_floor
