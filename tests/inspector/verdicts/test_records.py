"""Outputs name their input, and every verdict fits into a record."""

import pytest

from inspector.verdicts.records import VERDICT_TYPE, essence, judged_from, make_fit, settled_ns
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_MALFORMED, DeadLetter, Inspection
from protos.inspection.v1.verdict_pb2 import (
    DECISION_FAIL,
    ClassProbability,
    ExpertRun,
    ImageEvidence,
    ImageRegion,
    Modality,
    Verdict,
)
from streams.decode.dead_letters import DEAD_LETTER_TYPE, MAX_RAW_BYTES, dead_letter_from
from streams.records import Record

LEAST_LIMIT = 2 * MAX_RAW_BYTES
"""The smallest max_record_bytes that a configuration may name."""


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (VERDICT_TYPE, Verdict(entry_ns=70).SerializeToString(), 70),
        (DEAD_LETTER_TYPE, DeadLetter(append_ns=80).SerializeToString(), 80),
        (VERDICT_TYPE, b"\xff", None),
        ("somebody's", Verdict(entry_ns=70).SerializeToString(), None),
    ],
)
def test_only_our_outputs_say_how_far_the_input_was(kind: str, value: bytes, expected: int | None) -> None:
    assert settled_ns(Record("verdicts", 0, 5, b"st", value, kind, 99)) == expected


LARGE = bytes(2**20)
INSPECTION = Inspection(line="line-1", station="st", piece_id="p-1", pass_number=2)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (
            VERDICT_TYPE,
            Verdict(inspection=INSPECTION, entry_ns=70, images=[{"heat_map_png": LARGE}]).SerializeToString(),
        ),
        (
            DEAD_LETTER_TYPE,
            DeadLetter(
                topic="t", offset=3, append_ns=80, reason=DEAD_LETTER_REASON_MALFORMED, raw=LARGE
            ).SerializeToString(),
        ),
    ],
)
def test_what_an_owner_keeps_of_an_output_is_small_and_says_the_same(kind: str, value: bytes) -> None:
    record = Record("t.line-1.verdicts", 0, 5, LARGE, value, kind, 99)
    kept = essence(record)
    assert kept is not None
    assert len(kept.key) + len(kept.value) < 1000
    assert settled_ns(kept) == settled_ns(record)
    assert judged_from(kept, "line-1", 0.0) == judged_from(record, "line-1", 0.0)
    read, letter = dead_letter_from(record), dead_letter_from(kept)
    assert (read and (read.topic, read.offset, read.reason)) == (
        letter and (letter.topic, letter.offset, letter.reason)
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("somebody's", LARGE),
        (VERDICT_TYPE, LARGE),
        (VERDICT_TYPE, b""),
        (
            VERDICT_TYPE,
            Verdict(
                inspection=Inspection(line="l" * 2**20, station="s", piece_id="p"), entry_ns=70
            ).SerializeToString(),
        ),
        (DEAD_LETTER_TYPE, DeadLetter(topic="t" * 2**20).SerializeToString()),
    ],
)
def test_nothing_is_kept_of_what_others_wrote(kind: str, value: bytes) -> None:
    assert essence(Record("t.line-1.verdicts", 0, 5, LARGE, value, kind, 99)) is None


def evidence(*sizes: int) -> list[ImageEvidence]:
    return [ImageEvidence(camera=f"c{size}", regions=[ImageRegion(x_px=1)], heat_map_png=bytes(size)) for size in sizes]


def test_a_verdict_too_large_for_a_record_goes_without_its_largest_heat_maps() -> None:
    verdict = Verdict(decision=DECISION_FAIL, images=evidence(10_000, 64_000, 30_000, 60_000))
    assert make_fit(verdict, LEAST_LIMIT) == ["1 of 4 heat maps"]
    assert [len(image.heat_map_png) for image in verdict.images] == [10_000, 0, 30_000, 60_000]
    assert [len(image.regions) for image in verdict.images] == [1] * 4
    assert make_fit(verdict, LEAST_LIMIT) == []


BEFORE_EXPERTS = ["images", "signals", "inputs"]


@pytest.mark.parametrize(
    ("part", "left_out"),
    [
        ({"images": evidence(*([0] * 20_000))}, ["images"]),
        (
            {"experts": [ExpertRun(expert="e" * 48, modality="m" * 48)] * 2000},
            ["images", "signals", "inputs", "experts"],
        ),
        ({"classes": [ClassProbability(name="c" * 48)] * 5000}, ["images", "signals", "inputs", "experts", "classes"]),
        (
            {"modalities": [Modality(name="m" * 48, kind="image")] * 5000},
            ["images", "signals", "inputs", "experts", "classes", "modalities"],
        ),
    ],
    ids=["images", "experts", "classes", "modalities"],
)
def test_details_follow_where_that_is_not_enough(part: dict[str, object], left_out: list[str]) -> None:
    named = Inspection(line="l" * 48, station="s" * 48, piece_id="p" * 128, pass_number=2**32 - 1)
    texts = dict.fromkeys(("product", "lot"), "x" * 128)
    verdict = Verdict(inspection=named, decision=DECISION_FAIL, defect_score=0.9, **texts, **part)  # type: ignore[arg-type]
    assert make_fit(verdict, LEAST_LIMIT) == left_out
    assert verdict.ByteSize() <= LEAST_LIMIT
    assert (verdict.inspection, verdict.decision, verdict.defect_score) == (named, DECISION_FAIL, 0.9)
