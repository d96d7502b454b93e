"""A line that stands still shows its last pieces from the archive."""

import json
import re
from pathlib import Path

from starlette.testclient import TestClient

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.web.last_pieces import last_cards
from tests.inspector.web.piece_parts import open_pages


def test_the_last_piece_of_every_station_is_on_the_line_page(tmp_path: Path) -> None:
    with open_pages(tmp_path) as site:
        site.archive.fill(20)
        with TestClient(site.app) as client:
            text = client.get("/").text
            script = re.search(r'id="snapshot">(.*?)</script>', text, re.DOTALL)
            assert script is not None
            stations = json.loads(script[1])["stations"]
            assert sorted(card["station"] for card in stations) == ["drill", "press"]
            assert {card["piece"] for card in stations} == {"piece-0000018", "piece-0000019"}
            assert client.get(stations[0]["media"] + "/picture/0/0").status_code in (200, 410)


def test_a_database_that_is_away_leaves_the_page_empty(tmp_path: Path) -> None:
    archive = Archive(Database(f"sqlite:///{tmp_path / 'nowhere' / 'archive.sqlite'}"))
    assert last_cards(archive) == []
