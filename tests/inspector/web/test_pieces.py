"""The list of pieces and its search, through starlette's own client."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from inspector.archive.find import Archive
from inspector.archive.limited import TookTooLongError
from inspector.web.piece_links import piece_path
from streams.observation import InspectionId
from tests.inspector.web.filled_archive import START_NS, verdict_of
from tests.inspector.web.piece_parts import HOSTILE, Pages

ROW = re.compile(r'<th scope="row"><a class="named" href="([^"]*)" title="([^"]*)"')


def ids(text: str) -> list[str]:
    return [unescape(title) for _, title in ROW.findall(text)]


def test_an_empty_archive_says_that_pieces_will_appear(client: TestClient) -> None:
    answer = client.get("/pieces")

    assert answer.status_code == 200
    assert "No piece was stored yet" in answer.text


def test_the_newest_piece_comes_first(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(120)

    assert ids(client.get("/pieces").text)[:2] == ["piece-0000119", "piece-0000118"]


def test_older_pages_follow_without_gap_and_without_repetition(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(120)
    seen, address = [], "/pieces"
    while address:
        text = client.get(address).text
        seen += ids(text)
        older = re.search(r'rel="next" href="([^"]*)"', text)
        address = unescape(older[1]) if older else ""

    assert seen == [f"piece-{number:07d}" for number in reversed(range(120))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"decision": "fail"}, [7, 27, 47]),
        ({"decision": ["fail", "review"]}, [5, 7, 27, 38, 47]),
        ({"station": "press", "decision": "review"}, [38]),
        ({"class": "crack", "decision": "fail"}, [27]),
        ({"score_from": "0.9"}, [7, 27, 47]),
        ({"score_from": "0.4", "score_to": "0.6"}, [5, 38]),
        ({"lot": "lot-1"}, []),
        ({"piece": "piece-0000011"}, [11]),
        ({"product": "other"}, []),
        ({"bundle": "0123456789ab", "decision": "review"}, [5, 38]),
        ({"since": "2025-11-30T08:00:01Z", "until": "2025-11-30T08:00:01.2Z"}, [13, 14]),
    ],
)
def test_an_address_holds_the_filter(pages: Pages, client: TestClient, query: dict[str, str], expected: list[int]):
    pages.archive.fill(50)

    answer = client.get("/pieces", params=query)

    assert ids(answer.text) == [f"piece-{number:07d}" for number in reversed(expected)]


def test_a_filter_stays_on_the_next_page(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(120)

    text = client.get("/pieces?station=press&score_to=0.5").text
    older = re.search(r'rel="next" href="([^"]*)"', text)

    assert older
    query = parse_qs(urlsplit(unescape(older[1])).query)
    assert query["station"] == ["press"]
    assert query["score_to"] == ["0.5"]
    assert "before" in query


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("score_from=much", "write a number from 0 to 1"),
        ("score_from=nan", "write a number from 0 to 1"),
        ("score_from=0.9&score_to=0.1", "exchange them"),
        ("since=yesterday", "write it like"),
        ("since=2025-01-02&until=2025-01-01", "exchange from and to"),
        ("before=-1", "start with the newest piece"),
        ("before=99999999999999999999", "start with the newest piece"),
        (f"piece={'x' * 300}", "at most 256"),
        ("defect=crack", "there is no such field; fields are bundle, class, decision"),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_to_write(client: TestClient, query: str, words: str) -> None:
    answer = client.get(f"/pieces?{query}")

    assert answer.status_code == 400
    assert words in answer.text


def test_no_fitting_piece_says_what_to_try(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(10)

    assert "try a longer time or fewer conditions" in client.get("/pieces?lot=none").text


def test_new_pieces_are_counted_by_the_same_filter(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(50)
    pages.archive.fill(30)

    assert client.get("/pieces/new?after=50").json() == {"count": 30, "at_most": 100}
    assert client.get("/pieces/new?after=50&decision=fail").json()["count"] == 1
    assert client.get("/pieces/new?after=80").json()["count"] == 0


def test_more_new_pieces_than_the_bound_are_counted_up_to_it(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(150)

    assert client.get("/pieces/new?after=1").json() == {"count": 101, "at_most": 100}


def test_new_pieces_without_a_place_to_count_from_are_refused(client: TestClient) -> None:
    assert client.get("/pieces/new?after=one").status_code == 400


def test_the_search_opens_the_one_piece_of_that_name(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(50)

    answer = client.get("/pieces/search?q=piece-0000012", follow_redirects=False)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/pieces/line-1/press/piece-0000012/0"


def test_the_search_lists_several_passes_of_a_piece(pages: Pages, client: TestClient) -> None:
    for pass_number in range(2):
        verdict = verdict_of(pass_number)
        verdict.inspection.piece_id, verdict.inspection.pass_number = "again", pass_number
        pages.archive.put(verdict)

    assert client.get("/pieces/search?q=again", follow_redirects=False).headers["location"] == "/pieces?piece=again"


def test_the_search_finds_a_lot(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(50)

    assert client.get("/pieces/search?q=lot-0", follow_redirects=False).headers["location"] == "/pieces?lot=lot-0"


def test_a_search_without_result_says_what_to_try(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(5)

    assert "What to try" in client.get("/pieces/search?q=PIECE").text


def test_an_empty_search_shows_all_pieces(client: TestClient) -> None:
    assert client.get("/pieces/search?q=+", follow_redirects=False).headers["location"] == "/pieces"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_and_leads_to_its_piece(pages: Pages, client: TestClient, name: str) -> None:
    verdict = verdict_of(7)
    verdict.inspection.piece_id, verdict.lot, verdict.product = name, name, name
    verdict.classes[0].name = name
    pages.archive.put(verdict)

    for address in ("/pieces", f"/pieces/search?q={name}"):
        text = client.get(address).text
        assert "<img src=x" not in text
    assert ids(client.get("/pieces", params={"lot": name, "product": name}).text) == [name]


def test_an_archive_that_is_away_is_said_in_plain_words(pages: Pages, client: TestClient, tmp_path: Path) -> None:
    pages.archive.database.close()
    (tmp_path / "archive.sqlite").unlink()
    (tmp_path / "archive.sqlite").mkdir()

    answer = client.get("/pieces", headers={"accept": "text/html"})

    assert answer.status_code == 503
    assert "The line goes on" in answer.text
    assert client.get("/pieces/new?after=1").status_code == 503


def test_a_page_of_pieces_is_small(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(200)

    assert len(client.get("/pieces").content) < 120_000


@pytest.mark.parametrize("name", [".", ".."])
def test_names_that_browsers_resolve_are_no_part_of_a_path(name: str) -> None:
    assert urlsplit(piece_path(InspectionId("l", "s", name, 1))).path == "/pieces/one"


def test_a_score_without_a_time_is_searched_for_in_the_newest_days(pages: Pages, client: TestClient) -> None:
    old_ns = START_NS - 8 * 86_400 * 10**9
    pages.archive.put(verdict_of(7, entry_ns=old_ns))
    pages.archive.put(verdict_of(27, entry_ns=START_NS))

    answer = client.get("/pieces", params={"score_from": "0.9"})
    assert ids(answer.text) == ["piece-0000027"]
    assert "searched for in the newest 7 days" in answer.text
    assert client.get("/pieces/new", params={"score_from": "0.9", "after": "0"}).json()["count"] == 1
    assert ids(client.get("/pieces", params={"score_from": "0.9", "since": "2025-11-01"}).text) == [
        "piece-0000027",
        "piece-0000007",
    ]


def test_a_search_that_takes_too_long_says_what_to_do(
    pages: Pages, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: object) -> list[object]:
        raise TookTooLongError("the archive searched for 5 s")

    monkeypatch.setattr(Archive, "find", find)
    answer = client.get("/pieces")
    assert answer.status_code == 503
    assert "The search took too long" in answer.text
    assert "narrow the time" in answer.text
