"""Nothing that the server sends tells a known piece from another one: cards, addresses, headers, files, pages. Steps
and metrics: tests/inspector/review/test_hidden.py."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from starlette.testclient import TestClient

from inspector.archive.recordings.inputs import JudgedInputs
from inspector.review.findings import parse_finding
from inspector.web.review_pieces import KeptReader
from protos.inspection.v1.verdict_pb2 import Verdict
from tests.inspector.web.review_parts import ReviewPages, answer, held

OK = parse_finding("ok")
TOKEN = re.compile(r"[\w-]{22}")


def name_of(pages: ReviewPages, card: dict) -> str:
    """The piece id, which the page never learns."""
    return pages.desk.name(pages.page.review.desk.held("local", card["token"]).verdict_key)  # type: ignore[union-attr]


def all_cards(client: TestClient, pages: ReviewPages) -> Iterator[tuple[bool, dict]]:
    """Whether it is known, and its card; each is answered before the next one comes."""
    while cards := held(client):
        yield name_of(pages, cards[0]).startswith("known"), cards[0]
        answer(client, cards[0]["token"])


def addresses(card: dict) -> list[str]:
    camera, sensor = card["sources"]
    return [*camera["frames"], camera["heat"], sensor["sound"]]


def forms_of(seen: Sequence[tuple[bool, object]]) -> tuple[set[str], set[str]]:
    """Of known pieces, and of the others."""
    known, others = ({str(form) for is_known, form in seen if is_known is which} for which in (True, False))
    return known, others


def test_cards_are_alike_and_name_no_piece(client: TestClient, pages: ReviewPages) -> None:
    forms = []
    for is_known, card in all_cards(client, pages):
        text = TOKEN.sub("TOKEN", json.dumps(card))
        for secret in (name_of(pages, card), "known", "demo", "0123456789ab", "quinn", "score", "_ns", "key"):
            assert secret not in text
        forms.append((is_known, text))
    known, others = forms_of(forms)
    assert known == others
    assert len(known) == 1


def test_answers_and_undo_are_alike(client: TestClient, pages: ReviewPages) -> None:
    """Their fields, statuses and headers; counts go up by one each time."""
    forms, before = [], 0
    while cards := held(client):
        is_known = name_of(pages, cards[0]).startswith("known")
        body = {"token": cards[0]["token"], "label": "ok", "defects": []}
        replies = [client.post("/review/answer", json=body), client.post("/review/undo")]
        replies.append(client.post("/review/answer", json=body))
        counts = [reply.json()["progress"]["ok"] - before for reply in replies]
        parts = [(reply.status_code, _headers(reply.headers), sorted(reply.json())) for reply in replies]
        forms.append((is_known, (counts, parts)))
        before += 1
    known, others = forms_of(forms)
    assert known == others
    assert len(known) == 1


def test_pictures_and_sounds_have_the_same_headers(client: TestClient, pages: ReviewPages) -> None:
    """No mark by which a browser or proxy would know a file again, either."""
    forms = []
    for is_known, card in all_cards(client, pages):
        replies = [client.get(address) for address in addresses(card)]
        forms.append((is_known, [(reply.status_code, _headers(reply.headers)) for reply in replies]))
        for reply in replies:
            assert reply.headers.keys().isdisjoint({"etag", "last-modified", "content-disposition", "age", "expires"})
            assert "no-store" in reply.headers["cache-control"]
    known, others = forms_of(forms)
    assert known == others
    assert len(known) == 1


def _headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in headers.items() if name not in ("content-length", "date"))


def test_files_are_told_by_neither_hash_nor_length(client: TestClient, pages: ReviewPages) -> None:
    """Those of the Pieces page have other bytes, and each loan of the desk has its own."""
    digests: set[str] = set()
    lengths: dict[bool, set[int]] = {True: set(), False: set()}
    for is_known, card in all_cards(client, pages):
        for address in addresses(card):
            data = client.get(address).content
            digests.add(hashlib.sha256(data).hexdigest())
            lengths[is_known].add(len(data))
        key = pages.page.review.desk.held("local", card["token"]).verdict_key  # type: ignore[union-attr]
        for stored in (f"/kept/{key}/picture/0/0", f"/kept/{key}/sound/1", f"/kept/{key}/heat/0"):
            reply = client.get(stored)
            assert reply.status_code == 200
            assert hashlib.sha256(reply.content).hexdigest() not in digests
    assert len(digests) == 3 * 10
    assert all(len(each) > 3 for each in lengths.values())


def test_the_page_of_a_piece_in_the_hand_says_the_same_of_both(client: TestClient, pages: ReviewPages) -> None:
    """What people found about it, among them whoever entered the known piece, waits for the answer."""
    for number in range(8):
        pages.desk.say(f"p{number}", "quinn", "nok", "dent")
    for number in range(2):
        pages.desk.say(f"known-{number}", "quinn", "nok", "dent")
    seen = []
    for is_known, card in all_cards(client, pages):
        text = client.get(f"/pieces/line-1/station-1/{name_of(pages, card)}/0").text
        found = re.search(r'<ul class="findings" id="given">.*?</section>', text, re.DOTALL)
        assert found is not None
        assert "waits for your answer" in found[0]
        assert "quinn" not in text
        seen.append((is_known, found[0]))
    known, others = forms_of(seen)
    assert known == others
    assert len(known) == 1


class CountingReader:
    def __init__(self, inner: KeptReader) -> None:
        self.inner, self.keys = inner, list[int]()

    def read_of(self, key: int, verdict: Verdict) -> JudgedInputs:
        self.keys.append(key)
        return self.inner.read_of(key, verdict)


def test_a_known_piece_is_read_anew_each_time_as_all_others_are(client: TestClient, pages: ReviewPages) -> None:
    """One that others saw before is there no faster."""
    pieces = pages.page.review
    assert pieces is not None
    reader = CountingReader(pieces.inputs)
    pieces.inputs = reader
    pages.desk.clock.advance(10)
    num = {True: 0, False: 0}
    for reviewer in ("ada", "bob"):
        while cards := pieces.hold(reviewer):
            token = str(cards[0]["token"])
            key = pieces.desk.held(reviewer, token).verdict_key  # type: ignore[union-attr]
            num[pages.desk.name(key).startswith("known")] += 1
            pieces.desk.answer(reviewer, token, OK)
        pages.desk.add([f"more-{number}" for number in range(4)])
        pages.desk.queue()
    assert num[True] >= 3
    assert len(reader.keys) == sum(num.values())
