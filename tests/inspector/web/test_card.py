"""What browsers get of a verdict: bounded, and safe whatever a producer wrote."""

import json

import pytest

from inspector.web.card import MAX_CLASSES, MAX_ITEMS, card_of, decision_word
from inspector.web.figures import WINDOW_S, LineFigures
from inspector.web.hub import encoded
from inspector.web.recent import OVERHEAD_BYTES, RecentVerdicts
from protos.inspection.v1 import verdict_pb2 as pb
from tests.inspector.web.parts import MOMENT_NS, entry, verdict


def test_a_card_has_what_the_page_shows() -> None:
    card = card_of(entry(verdict(3), offset=7), verdict(3))
    assert card["at"] == ["inspection.line-1.verdicts/0", 7]
    assert card["decision"] == "fail"
    assert card["why"] == "crack heard at 6.1 kHz, 0.02 to 0.05 s; the picture alone would have passed it"
    assert (card["score"], card["pass_below"], card["fail_above"]) == (0.97, 0.1, 0.6)
    assert card["latency_ms"] == 40.0


def test_a_card_names_the_defects_and_their_severity() -> None:
    named = pb.Verdict(decision=pb.DECISION_FAIL, defects=["crack", "<b>"], severity="critical")
    card = card_of(entry(named), named)
    assert (card["defects"], card["severity"]) == (["crack", "<b>"], "critical")
    assert card_of(entry(verdict(3)), verdict(3))["defects"] == ["crack"]


def test_absent_figures_are_null() -> None:
    card = card_of(entry(pb.Verdict()), pb.Verdict())
    assert (card["score"], card["pass_below"]) == (None, None)
    assert card["decision"] == "review"


@pytest.mark.parametrize(
    ("decision", "word"),
    [
        (pb.DECISION_PASS, "pass"),
        (pb.DECISION_FAIL, "fail"),
        (pb.DECISION_REVIEW, "review"),
        (0, "review"),
        (9, "review"),
    ],
)
def test_only_pass_passes(decision: int, word: str) -> None:
    assert decision_word(decision) == word


def test_a_hostile_verdict_becomes_one_bounded_frame() -> None:
    text = "\u202e<script>alert(1)</script>\r\n\r\ndata: x\n\n\x00" * 400
    hostile = verdict(
        product=text,
        lot=text,
        route=text,
        classes=[pb.ClassProbability(name=text, probability=1)] * 500,
        modalities=[pb.Modality(name=text, kind=text, detail=text)] * 500,
        experts=[pb.ExpertRun(expert=text, why=text)] * 500,
        signals=[pb.SignalEvidence(sensor=text)] * 500,
        images=[pb.ImageEvidence(camera=text, regions=[pb.ImageRegion()] * 500)] * 500,
    )
    card = card_of(entry(hostile), hostile)
    frame = encoded("verdict", card, "id")
    assert frame.count(b"\n\n") == 1
    assert frame.endswith(b"\n\n")
    assert b"\r" not in frame
    assert len(frame) < 64_000
    assert len(card["classes"]) == MAX_CLASSES  # type: ignore[arg-type]
    assert len(card["modalities"]) == MAX_ITEMS  # type: ignore[arg-type]
    assert "\u202e" not in json.dumps(card, ensure_ascii=False)


def test_figures_are_of_the_last_pieces_of_each_station() -> None:
    figures = LineFigures()
    for number in range(10):
        message = verdict(number, decision=pb.DECISION_REVIEW if number < 2 else pb.DECISION_PASS)
        figures.add(entry(message), message)
    message = verdict(0, station="station-2", modalities=[pb.Modality(name="x", state=pb.MODALITY_STATE_STALE)])
    figures.add(entry(message), message)
    first, second = figures.as_json(MOMENT_NS + 10**9)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["station"], first["num"], first["takt_s"], first["per_minute"]) == ("station-1", 10, 0.1, 10.0)
    assert (first["review_share"], first["p95_ms"]) == (0.2, 40.0)
    assert second["sensors"][-1] == {"name": "x", "state": "stale", "absent": 1, "of": 1}


def test_figures_of_a_line_that_stands_are_null() -> None:
    figures = LineFigures()
    figures.add(entry(verdict()), verdict())
    (station,) = figures.as_json(MOMENT_NS + int((WINDOW_S + 1) * 1e9))
    assert isinstance(station, dict)
    assert (station["num"], station["takt_s"], station["p95_ms"], station["review_share"]) == (0, None, None, None)


def test_stations_and_sensors_are_bounded() -> None:
    figures = LineFigures()
    for number in range(400):
        message = verdict(0, station=f"s{number}", modalities=[pb.Modality(name=f"m{n}") for n in range(50)])
        figures.add(entry(message), message)
    stations = figures.as_json(MOMENT_NS)
    assert len(stations) <= 257
    assert all(len(station["sensors"]) <= 34 for station in stations)  # type: ignore[index, call-overload, arg-type]


def test_recent_verdicts_stay_within_their_bytes() -> None:
    value = verdict().SerializeToString()
    recent = RecentVerdicts(3 * (len(value) + OVERHEAD_BYTES))
    for number in range(5):
        recent.add(str(number), value)
    assert [recent.find(str(number)) is not None for number in range(5)] == [False, False, True, True, True]
    assert recent.num_bytes == 3 * (len(value) + OVERHEAD_BYTES)
