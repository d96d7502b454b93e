"""A review desk with eight pieces and two known ones, and a client of its pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.inspector.web.review_parts import ReviewPages, review_pages


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[ReviewPages]:
    with review_pages(tmp_path, num_pieces=8, num_known=2) as pages:
        yield pages


@pytest.fixture
def client(pages: ReviewPages) -> Iterator[TestClient]:
    with TestClient(pages.app, base_url="http://127.0.0.1") as client:
        yield client
