"""The server's answers to the Review page hold nothing that names a known piece."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from inspector.web.media import PieceFiles
from inspector.web.review_pieces import card_of
from protos.inspection.v1.verdict_pb2 import DecisionReason
from tests.inspector.review.desk_parts import REVIEW, make_verdict
from tests.inspector.review.test_desk import published
from tests.inspector.web.review_parts import ReviewPages, review_pages


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[ReviewPages]:
    with review_pages(tmp_path, num_pieces=8, num_known=2) as pages:
        yield pages


@pytest.fixture
def client(pages: ReviewPages) -> Iterator[TestClient]:
    with TestClient(pages.app, base_url="http://127.0.0.1") as client:
        yield client


def held(client: TestClient) -> list[dict]:
    return client.post("/review/hold").json()["pieces"]


def answer(client: TestClient, token: str, label: str = "ok", defects: list[str] | None = None) -> dict:
    return client.post("/review/answer", json={"token": token, "label": label, "defects": defects or []}).json()


def test_three_pieces_are_held_and_stay_the_same(client: TestClient) -> None:
    first = held(client)
    assert len(first) == 3
    assert held(client) == first


def test_an_answer_brings_the_next_piece(client: TestClient, pages: ReviewPages) -> None:
    first, second, third = held(client)
    state = answer(client, first["token"], "nok", ["dent"])
    assert [card["token"] for card in state["pieces"][:2]] == [second["token"], third["token"]]
    assert (len(state["pieces"]), state["progress"]["nok"]) == (3, 1)


def test_undo_brings_the_piece_back(client: TestClient) -> None:
    first, *_ = held(client)
    answer(client, first["token"])
    state = client.post("/review/undo").json()
    assert (state["undone"], state["pieces"][0]["token"], state["progress"]["ok"]) == (True, first["token"], 0)
    assert client.post("/review/undo").json()["undone"] is False


def test_the_author_is_who_is_signed_in(client: TestClient, pages: ReviewPages) -> None:
    first, *_ = held(client)
    client.post("/review/answer", json={"token": first["token"], "label": "ok", "author": "somebody else"})
    assert {author for _, _, author in published(pages.desk)} == {"local"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ('{"token": "x"}', 400),
        ('{"token": "x", "label": "maybe", "defects": []}', 400),
    ],
)
def test_answers_that_cannot_be_taken_are_refused(client: TestClient, body: str, status: int) -> None:
    assert client.post("/review/answer", content=body).status_code == status


def test_pictures_and_sounds_are_for_whoever_holds_the_piece(client: TestClient) -> None:
    card = held(client)[0]
    top, mic = card["sources"]
    picture = client.get(top["frames"][0])
    assert (picture.headers["content-type"], picture.headers["x-captured"]) == ("image/png", "48x32")
    assert client.get(top["heat"]).content.startswith(b"\x89PNG")
    assert client.get(mic["sound"]).content.startswith(b"RIFF")
    assert client.get(top["frames"][0].replace(card["token"], "a" * 22)).status_code == 404
    answer(client, card["token"])
    assert client.get(top["frames"][0]).status_code == 404


def test_nothing_in_the_traffic_tells_a_known_piece(client: TestClient, pages: ReviewPages) -> None:
    """Cards and headers of known and other pieces have the same form, and nothing in them names the piece."""
    forms: dict[bool, set[str]] = {True: set(), False: set()}
    for _ in range(8):
        (card, *_) = held(client)
        name = pages.desk.name(pages.page.review.desk.held("local", card["token"]).verdict_key)  # type: ignore[union-attr]
        text = json.dumps(card)
        for secret in (name, "known", "demo", "0123456789ab", "quinn", "score"):
            assert secret not in text
        picture = client.get(card["sources"][0]["frames"][0])
        headers = {key for key in picture.headers if key != "content-length"}
        form = re.sub(r"[\w-]{22}", "TOKEN", text) + str(sorted(headers)) + picture.headers["cache-control"]
        forms[name.startswith("known")].add(form)
        reply = answer(client, card["token"])
        assert reply.keys() == {"pieces", "progress"}
    assert forms[True] == forms[False] != set()


def test_answers_to_known_pieces_are_not_published(client: TestClient, pages: ReviewPages) -> None:
    while cards := held(client):
        answer(client, cards[0]["token"])
    names = [name for name, _, _ in published(pages.desk)]
    assert sorted(names) == sorted(f"p{number}" for number in range(8))


def test_the_tokens_of_a_person_are_of_no_use_to_another(pages: ReviewPages) -> None:
    token = pages.desk.desk.hold("ada", 1)[0].token
    with TestClient(pages.app, base_url="http://127.0.0.1") as client:
        assert client.get(f"/review/pieces/{token}/0/picture/0").status_code == 404
        assert "somebody else" in answer(client, token)["problem"]
    assert published(pages.desk) == []


def test_prepared_pieces_take_a_bounded_amount_of_memory(pages: ReviewPages) -> None:
    """The oldest go first; a person who asks for one again gets it again."""
    pieces = pages.page.review
    assert pieces is not None
    pieces.max_bytes = 1
    first, *_ = pieces.hold("ada")
    for reviewer in ("bob", "eve"):
        pieces.hold(reviewer)
    assert pieces.num_prepared == 1
    shown = pieces.shown("ada", str(first["token"]))
    assert shown is not None
    assert shown.files.pictures["top"]


def test_names_that_a_producer_chose_are_cut_and_free_of_control_characters() -> None:
    verdict = make_verdict("a", REVIEW, DecisionReason.DECISION_REASON_UNCERTAIN)
    verdict.inspection.station, verdict.product = "s" * 200, "\u202emalo\u202c"
    verdict.modalities[0].name = "\x1b[31m<b>"
    card = card_of("token", verdict, PieceFiles({}, {}), ("<script>",))
    assert (len(str(card["station"])), card["product"]) == (48, "malo")
    sources = card["sources"]
    assert isinstance(sources, list)
    assert sources[0]["name"] == "[31m<b>"
    assert sources[0]["absent"] == "this recording was not kept"
