"""The page of one piece, its recordings and its feedback, through starlette's own client."""

import json
import re
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from html import unescape
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from inspector.access.audit.protocol import OutcomeUnknownError
from inspector.access.roles import Role
from inspector.archive.find import Archive
from inspector.archive.schema import ID_CONFLICTS
from inspector.archive.tables_log import FEEDBACK
from inspector.archive.tables_recordings import PIECE_RECORDINGS, RECORDING_OBJECTS
from inspector.web.feedback import MAX_WAITING, FeedbackDesk, FeedbackError, PieceFinding
from inspector.web.kept_recordings import MAX_AT_ONCE, BusyError, KeptRecordings
from inspector.web.piece_links import piece_path
from protos.inspection.v1.records_pb2 import Feedback, Label
from protos.inspection.v1.verdict_pb2 import ModalityState, Verdict
from streams.log import LogUnavailableError
from streams.observation import InspectionId, Observation
from streams.records import TopicPartition
from tests.inspector.web.filled_archive import verdict_of
from tests.inspector.web.parts import OnePiece
from tests.inspector.web.piece_parts import HOSTILE, Pages, open_pages
from tests.waiting import until

PIECE = "/pieces/line-1/drill/piece-0000007/0"
FOUND = {"label": "nok", "defects": ["crack", " "], "note": "at the edge"}


def detailed() -> Verdict:
    """A FAIL with evidence, inputs and a heat map."""
    verdict = verdict_of(7)
    _, png = cv2.imencode(".png", np.zeros((8, 8), np.uint8))
    image = verdict.images.add(camera="top", heat_map_png=png.tobytes())
    image.regions.add(x_px=3, y_px=4, width_px=5, height_px=6, strength=0.9)
    verdict.signals.add(sensor="mic", start_s=0.02, end_s=0.05, low_hz=5800, high_hz=6400, strength=0.9)
    verdict.inputs.partition = 3
    verdict.inputs.frames.add(camera="top", offset_steps=[1041, 1])
    verdict.inputs.signals.add(sensor="mic").spans.add(stream_id="s", offset_steps=[2000] + [1] * 40)
    return verdict


def card_of(text: str) -> dict:
    script = re.search(r'<script type="application/json" id="card">(.*?)</script>', text, re.DOTALL)
    assert script
    return json.loads(script[1])


def test_the_page_of_a_piece_says_where_the_verdict_comes_from(pages: Pages, client: TestClient) -> None:
    pages.archive.put(detailed())

    text = client.get(PIECE).text

    for words in ("demo 1.2", "0123456789ab", "number 4", "housing 3", "onnx/fp32", "cascade:full", "4.50 ms", "lot-0",
                  "frames, partition 3",
                  "1041, 1042", "2000 to 2040 (41 records)", "cnn", "routed", "FAIL", "0.937"):  # fmt: skip
        assert words in text, words


def test_the_scripts_of_the_page_get_the_card_that_the_line_page_gets(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())

    card = card_of(client.get(PIECE).text)

    assert card["media"] == f"/kept/{key}"
    assert card["decision"] == "fail"
    assert card["images"] == [{"camera": "top", "heat": True, "regions": [[3, 4, 5, 6, 0.9]]}]
    assert (card["pass_below"], card["fail_above"]) == (0.3, 0.7)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_page_of_a_hostile_name_shows_it_as_text(pages: Pages, client: TestClient, name: str) -> None:
    verdict = detailed()
    for holder, field in ((verdict.inspection, "piece_id"), (verdict, "product"), (verdict, "lot"), (verdict, "recipe"),
                          (verdict, "bundle"), (verdict, "engine"), (verdict, "route"), (verdict.modalities[0], "name"),
                          (verdict.modalities[1], "detail"), (verdict.experts[0], "expert"),
                          (verdict.classes[0], "name")):  # fmt: skip
        setattr(holder, field, name)
    pages.archive.put(verdict)

    answer = client.get(piece_path(InspectionId("line-1", "drill", name, 0)))

    assert answer.status_code == 200
    assert "<img src=x" not in answer.text
    assert f"<bdi>{name}</bdi>" in unescape(answer.text)
    assert card_of(answer.text)["decision"] == "fail"


def test_an_unknown_piece_says_what_to_try(client: TestClient) -> None:
    answer = client.get("/pieces/line-1/drill/none/0")

    assert answer.status_code == 404
    assert "What to try" in answer.text


@pytest.mark.parametrize("path", ["/pieces/a/b/c/99999999999999999999999", "/pieces/one?line=a&pass=99999999999999"])
def test_a_pass_that_cannot_be_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["picture/0/0", "sound/1", "heat/0", "verdict.json", "feedback", "file/0/0"])
def test_a_key_that_cannot_be_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/kept/{10**30}/{path}").status_code == 404


def test_a_pass_that_is_no_number_is_said(client: TestClient) -> None:
    assert client.get("/pieces/one?line=a&station=b&piece=c&pass=x").status_code == 400


def test_other_verdicts_on_the_piece_are_linked(pages: Pages, client: TestClient) -> None:
    pages.archive.put(verdict_of(7))
    again = verdict_of(7)
    again.inspection.station, again.inspection.pass_number = "paint", 2
    pages.archive.put(again)

    assert "/pieces/line-1/paint/piece-0000007/2" in client.get(PIECE).text


def test_a_picture_and_a_sound_have_addresses_of_the_stored_verdict(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())

    picture, sound = client.get(f"/kept/{key}/picture/0/0"), client.get(f"/kept/{key}/sound/1")

    assert picture.headers["content-type"] in {"image/png", "image/jpeg"}
    assert "x" in picture.headers["x-captured"]
    assert sound.headers["content-type"] == "audio/wav"
    assert picture.headers["x-content-type-options"] == "nosniff"


def test_a_heat_map_is_a_png(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())

    assert client.get(f"/kept/{key}/heat/0").headers["content-type"] == "image/png"
    assert client.get(f"/kept/{key}/heat/1").status_code == 404


def test_a_heat_map_that_is_no_png_is_not_sent(pages: Pages, client: TestClient) -> None:
    verdict = detailed()
    verdict.images[0].heat_map_png = b"<svg onload=alert(1)>"
    key = pages.archive.put(verdict)

    assert client.get(f"/kept/{key}/heat/0").status_code == 404


def test_a_source_or_image_that_is_not_there_is_said(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())

    assert client.get(f"/kept/{key}/picture/9/0").status_code == 404
    assert client.get(f"/kept/{key}/picture/0/9").status_code == 410
    assert client.get("/kept/999/picture/0/0").status_code == 404


def test_the_whole_verdict_is_downloaded_as_json(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())

    answer = client.get(f"/kept/{key}/verdict.json")

    assert answer.headers["content-disposition"] == f'attachment; filename="verdict-{key}.json"'
    assert answer.json()["bundle_digest"] == "0123456789ab"
    assert "heat_map_png" not in answer.text


def keep(pages: Pages, key: int, content: bytes, *, source: str = "mic", form: str = "flac") -> None:
    """Notes a recording as kept, with its file in the store."""
    digest = pages.store.put(content)
    with pages.archive.database.write() as connection:
        values = {"sha256": digest, "kind": form, "bytes": len(content), "stored_ns": 1}
        connection.execute(insert(RECORDING_OBJECTS).values(values))
        row = {"verdict_key": key, "source": source, "sequence": 0, "kind": "audio", "sha256": digest, "stored_ns": 1,
               "detail": '{"sample_rate_hz": 8000}', "absent": ""}  # fmt: skip
        connection.execute(insert(PIECE_RECORDINGS).values(row))


def test_a_kept_recording_is_downloaded_bit_for_bit_under_a_harmless_name(pages: Pages, client: TestClient) -> None:
    verdict = detailed()
    verdict.inspection.piece_id = '../"<b>.html'
    key = pages.archive.put(verdict)
    keep(pages, key, b"fLaC-like bytes")

    answer = client.get(f"/kept/{key}/file/1/0")

    assert answer.content == b"fLaC-like bytes"
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["content-disposition"] == 'attachment; filename="_____b__html-mic-0.flac"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_recording_that_was_not_kept_is_read_from_the_log(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())

    answer = client.get(f"/kept/{key}/file/0/0")

    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


def test_a_damaged_file_of_the_store_is_not_sent(pages: Pages, client: TestClient, tmp_path: Path) -> None:
    key = pages.archive.put(detailed())
    keep(pages, key, b"whole")
    for file in (tmp_path / "recordings").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"other")

    answer = client.get(f"/kept/{key}/file/1/0")

    assert answer.content != b"other"


def test_a_recording_of_an_unknown_form_is_not_sent(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())
    keep(pages, key, b"<html>", form="html")

    assert client.get(f"/kept/{key}/file/1/0").status_code == 410


def test_kept_recordings_are_listed_with_their_size(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(detailed())
    keep(pages, key, b"x" * 2500)

    assert "FLAC, 2.5 kB" in client.get(PIECE).text


def stored_feedback(pages: Pages) -> list[Feedback]:
    topic = TopicPartition("inspection.line-1.feedback", 0)
    with closing(pages.log.reader()) as reader:
        back = reader.read(topic, range(10), max_bytes=10**6, timeout_s=30)
    return [Feedback.FromString(back.records[offset].value) for offset in sorted(back.records)]


def test_a_finding_is_in_the_log_when_the_answer_comes(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(verdict_of(7))

    answer = client.post(f"/kept/{key}/feedback", json=FOUND | {"author": "somebody else"})
    (stored,) = stored_feedback(pages)

    assert answer.status_code == 201
    assert (stored.label, list(stored.defects), stored.note) == (Label.LABEL_NOK, ["crack"], "at the edge")
    assert stored.author == "local"
    assert stored.inspection.piece_id == "piece-0000007"
    assert answer.json()["author"] == "local"


def test_a_good_piece_has_no_defects(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(verdict_of(7))

    client.post(f"/kept/{key}/feedback", json={"label": "ok", "defects": ["crack"]})

    assert list(stored_feedback(pages)[0].defects) == []


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"label": "maybe"}',
        b'{"label": 1}',
        b'{"label": "nok", "defects": "crack"}',
        b'{"label": "nok", "defects": [1]}',
        json.dumps({"label": "nok", "defects": ["x"] * 65}).encode(),
        json.dumps({"label": "nok", "defects": ["x" * 200]}).encode(),
        json.dumps({"label": "ok", "note": "x" * 5000}).encode(),
        json.dumps({"label": "nok", "defects": ["a\nb"]}).encode(),
    ],
)
def test_a_finding_that_cannot_be_stored_says_what_to_correct(pages: Pages, client: TestClient, body: bytes) -> None:
    key = pages.archive.put(verdict_of(7))

    answer = client.post(f"/kept/{key}/feedback", content=body)

    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_finding_about_an_unknown_piece_is_refused(client: TestClient) -> None:
    assert client.post("/kept/4711/feedback", json=FOUND).status_code == 404


def test_a_finding_from_another_site_is_refused(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(verdict_of(7))

    answer = client.post(f"/kept/{key}/feedback", json=FOUND, headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403
    assert not stored_feedback(pages)


def test_what_was_found_stands_on_the_page(pages: Pages, client: TestClient) -> None:
    key = pages.archive.put(verdict_of(7))
    row = {"topic_id": 1, "partition": 0, "offset": 0, "line": "line-1", "station": "drill",
           "piece_id": "piece-0000007", "pass_number": 0, "label": 2, "defects": '["crack"]', "author": "lee<b>",
           "note": "<script>alert(1)</script>", "given_ns": 10**18, "append_ns": 10**18}  # fmt: skip
    with pages.archive.database.write() as connection:
        connection.execute(insert(FEEDBACK).values(row))

    text = client.get(PIECE).text

    assert "lee&lt;b&gt;" in text
    assert "<script>alert(1)" not in text
    assert client.get(f"/kept/{key}/feedback").json()["findings"][0]["label"] == "NOK"


class HangingLog:
    """A log whose publisher waits until it is let go."""

    def __init__(self) -> None:
        self.goes_on = Event()

    def publisher(self):
        assert self.goes_on.wait(60)
        raise LogUnavailableError("the log is away")


def test_findings_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.web.feedback.WAIT_S", 120.0)
    log = HangingLog()
    desk = FeedbackDesk(log, "inspection", ("line-1",))  # type: ignore[arg-type]
    inspection = InspectionId("line-1", "drill", "piece", 0)
    with ThreadPoolExecutor(MAX_WAITING + 1) as threads:
        given = [threads.submit(desk.give, inspection, PieceFinding("ok"), "lee") for _ in range(MAX_WAITING + 1)]
        (refused,) = wait(given, 50, FIRST_COMPLETED).done
        log.goes_on.set()
        with pytest.raises(FeedbackError, match="Many findings wait"):
            refused.result()
    desk.close()


def test_a_finding_that_is_late_is_taken_back_or_its_outcome_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.web.feedback.WAIT_S", 0.05)
    log = HangingLog()
    desk = FeedbackDesk(log, "inspection", ("line-1",))  # type: ignore[arg-type]
    inspection = InspectionId("line-1", "drill", "piece", 0)
    try:
        with pytest.raises(OutcomeUnknownError, match="did not confirm"):
            desk.give(inspection, PieceFinding("ok"), "lee")
        with pytest.raises(FeedbackError, match="is not stored") as second:
            desk.give(inspection, PieceFinding("ok"), "lee")
        assert not isinstance(second.value, OutcomeUnknownError)
    finally:
        log.goes_on.set()
        desk.close()


def test_findings_from_one_host_are_limited() -> None:
    desk = FeedbackDesk(HangingLog(), "inspection", ("line-1",), per_s=0.002)  # type: ignore[arg-type]
    assert (desk.admit("a"), desk.admit("a") > 0) == (0, True)
    desk.close()


def test_the_page_says_when_findings_come_too_often(
    pages: Pages, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pages.archive.put(verdict_of(7))
    monkeypatch.setattr(FeedbackDesk, "admit", lambda self, host: 1.5)
    answer = client.post(f"/kept/{key}/feedback", json=FOUND)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert not stored_feedback(pages)


def test_a_missing_sensor_is_listed_without_a_link(pages: Pages, client: TestClient) -> None:
    verdict = detailed()
    verdict.modalities[1].state = ModalityState.MODALITY_STATE_MISSING
    key = pages.archive.put(verdict)

    text = client.get(PIECE).text

    assert f"/kept/{key}/file/0/0" in text
    assert f"/kept/{key}/file/1/0" not in text


def test_a_piece_whose_id_was_read_twice_is_for_a_person(pages: Pages, client: TestClient) -> None:
    pages.archive.put(verdict_of(8))
    row = {"line": "line-1", "station": "press", "piece_id": "piece-0000008", "pass_number": 0, "append_ns": 1}
    with pages.archive.database.write() as connection:
        connection.execute(insert(ID_CONFLICTS).values(row))

    page, listed = client.get("/pieces/line-1/press/piece-0000008/0").text, client.get("/pieces").text

    assert "Two parts were read under this id" in page
    assert "The line had decided PASS" in page
    assert 'class="decision large" data-decision="review"' in page
    assert "id read twice" in listed


@pytest.mark.parametrize(("role", "may"), [(Role.VIEWER, False), (Role.OPERATOR, True)])
def test_findings_and_downloads_need_an_operator(tmp_path: Path, role: Role, may: bool) -> None:
    with open_pages(tmp_path, role=role) as pages, TestClient(pages.app) as client:
        key = pages.archive.put(detailed())
        text = client.get(PIECE).text
        download, finding = client.get(f"/kept/{key}/file/0/0"), client.post(f"/kept/{key}/feedback", json=FOUND)

        assert ('id="feedback"' in text) is may
        assert (f"/kept/{key}/file/0/0" in text) is may
        assert download.status_code == (200 if may else 403)
        assert finding.status_code == (201 if may else 403)
        assert len(stored_feedback(pages)) == may


class HangingInputs:
    """The log's recordings, which come when they are let go."""

    def __init__(self) -> None:
        self.goes_on, self.num_readers = Event(), 0

    def observation(self, verdict: Verdict) -> Observation:
        self.num_readers += 1
        assert self.goes_on.wait(60)
        return OnePiece().observation(verdict)


def test_recordings_that_are_read_at_once_are_bounded(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.web.kept_recordings.WAIT_S", 0.001)
    verdict, inputs = detailed(), HangingInputs()
    key = pages.archive.put(verdict)
    recordings = KeptRecordings(Archive(pages.archive.database), None, inputs)
    with ThreadPoolExecutor(MAX_AT_ONCE) as threads:
        reading = [threads.submit(recordings.file, key, verdict, "top", 0) for _ in range(MAX_AT_ONCE)]
        until(lambda: inputs.num_readers == MAX_AT_ONCE)
        with pytest.raises(BusyError):
            recordings.file(key, verdict, "top", 0)
        inputs.goes_on.set()
        assert all(each.result(60) is not None for each in reading)
