"""The server's answers to the Review page hold nothing that names a known piece."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from inspector.access.audit.protocol import NO_DETAIL, NoAudit
from inspector.access.audit.record import Detail
from inspector.access.principal import Principal
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.review.lending import Held
from inspector.web.app import create_app
from inspector.web.encode import wav_of
from inspector.web.kept_recordings import BusyError
from inspector.web.marks import marked
from inspector.web.media import PieceFiles
from inspector.web.review_pieces import MAX_PREPARING, KeptReader, card_of, heat_map_of
from protos.inspection.v1.verdict_pb2 import DecisionReason, ModalityState, Verdict
from tests.inspector.review.desk_parts import REVIEW, make_verdict
from tests.inspector.review.test_desk import published
from tests.inspector.web.review_parts import ReviewPages, answer, held


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
    verdict.modalities[0].state = ModalityState.MODALITY_STATE_MISSING
    sources = card_of("token", verdict, PieceFiles({}, {}), ())["sources"]
    assert isinstance(sources, list)
    assert sources[0]["absent"] == "nothing usable arrived"


def test_files_of_a_piece_are_told_by_no_hash(pages: ReviewPages, client: TestClient) -> None:
    """They show the same; every token has bytes of its own."""
    pieces = pages.page.review
    assert pieces is not None
    key = pages.desk.row("p0").key
    one, other = (pieces._prepared(Held(token, key, 0)) for token in ("one", "other"))
    first, second = one.files.pictures["top"][0].data, other.files.pictures["top"][0].data
    assert first != second
    assert np.array_equal(_pixels(first), _pixels(second))
    assert one.files.sounds["mic"].data != other.files.sounds["mic"].data
    assert heat_map_of(one.verdict, "top") != heat_map_of(one.verdict, "top")


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


def test_marks_are_comments_that_decoders_skip() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    for kind in (".png", ".jpg"):
        data = cv2.imencode(kind, image)[1].tobytes()
        assert marked(data) != marked(data) != data
        assert np.array_equal(_pixels(data), _pixels(marked(data)))
    samples = np.linspace(0, 1, 100, dtype=np.float32)[:, None]
    sound = marked(wav_of(samples, 8000.0))
    assert int.from_bytes(sound[4:8], "little") == len(sound) - 8
    assert marked(b"other") == b"other"


def test_what_others_found_is_not_shown_to_whoever_holds_the_piece(client: TestClient, pages: ReviewPages) -> None:
    pages.desk.say("p0", "bob", "nok", "dent")
    key = pages.desk.row("p0").key
    assert client.get(f"/kept/{key}/feedback").json()["findings"]
    (card,) = [each for each in held(client) if pages.desk.desk.held("local", each["token"]).verdict_key == key]  # type: ignore[union-attr]
    assert client.get(f"/kept/{key}/feedback").json()["findings"] == []
    page = client.get("/pieces/line-1/station-1/p0/0").text
    assert "waits for your answer" in page
    assert "bob" not in page
    answer(client, card["token"])
    assert client.get(f"/kept/{key}/feedback").json()["findings"]


class Acts(NoAudit):
    """Remembers what was recorded."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []

    def act(self, principal: Principal, action: str, target: str, detail: Detail = NO_DETAIL):
        self.seen.append((target, dict(detail)))
        return nullcontext()


def test_the_audit_log_names_the_piece_and_the_old_and_new_label(pages: ReviewPages) -> None:
    acts = Acts()
    app = create_app(replace(pages.page, audit=acts))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        card = held(client)[0]
        answer(client, card["token"], "nok", ["dent"])
        client.post("/review/undo")
    assert acts.seen == [
        ("line-1/station-1/p0/0", {"before": "none", "label": "nok", "defects": "dent"}),
        ("line-1/station-1/p0/0", {"undo": True, "before": "nok dent", "label": "none"}),
    ]


class SlowReader:
    """Counts how many pieces are read at the same time."""

    def __init__(self, inner: KeptReader) -> None:
        self.inner, self.goes_on, self.calls = inner, threading.Event(), 0

    def read_of(self, key: int, verdict: Verdict) -> JudgedInputs:
        self.calls += 1
        assert self.goes_on.wait(60)
        return self.inner.read_of(key, verdict)


def test_a_piece_is_prepared_once_and_few_at_a_time(pages: ReviewPages) -> None:
    pieces = pages.page.review
    assert pieces is not None
    reader = SlowReader(pieces.inputs)
    pieces.inputs, pieces.wait_s = reader, 60.0
    keys = [pages.desk.row(f"p{number}").key for number in range(4)]
    wanted = [Held(f"t{key}", key, 0) for key in keys] * 2
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(pieces._prepared, each) for each in wanted]
        while reader.calls < MAX_PREPARING:
            reader.goes_on.wait(0.01)
        pieces.wait_s = 0.0
        with pytest.raises(BusyError):
            pieces._prepared(Held("another", keys[0], 0))
        assert reader.calls == MAX_PREPARING
        reader.goes_on.set()
        for future in futures:
            future.result(60)
    assert reader.calls == 4
