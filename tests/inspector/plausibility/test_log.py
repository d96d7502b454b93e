"""Implausible sources are logged when they first occur, and once a minute while they last."""

import logging
from pathlib import Path

import pytest

from inspector.bundle.load import load
from inspector.plausibility.log import DoubtLog, reason_word, warn_without_limits
from protos.inspection.v1 import verdict_pb2 as pb
from protos.inspection.v1.records_pb2 import Inspection
from tests.bundles import write_toy_bundle

ROOT = Path(__file__).parents[3]


def verdict(piece: str, state: "pb.ModalityState" = pb.MODALITY_STATE_IMPLAUSIBLE, station: str = "st") -> pb.Verdict:
    top = pb.Modality(name="top", state=state, reason=pb.MODALITY_REASON_EXPOSURE, detail="mean brightness 0.01.")
    place = Inspection(line="line-1", station=station, piece_id=piece)
    return pb.Verdict(inspection=place, recipe="cup", modalities=[top])


def test_it_is_said_at_once_with_the_cure_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    log = DoubtLog()
    log.write([verdict("p1"), verdict("p2", pb.MODALITY_STATE_PRESENT)], 0.0)
    for second in range(1, 60):
        log.write([verdict(f"q{second}")], float(second))
    (first,) = caplog.messages
    assert all(
        part in first
        for part in ("line-1", "station st", "top", "exposure", "1 piece", "p1", "0.01", "recipe cup", '"off"')
    )
    log.write([], 60.0)
    assert len(caplog.messages) == 2
    assert "59 piece(s) in 60 s" in caplog.messages[1]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_stations_are_logged_apart(caplog: pytest.LogCaptureFixture) -> None:
    DoubtLog().write([verdict("p1"), verdict("p1", station="other")], 0.0)
    assert len(caplog.messages) == 2


def test_reasons_are_few_whatever_a_newer_version_sends() -> None:
    assert reason_word(pb.Modality(reason=pb.MODALITY_REASON_DEAD_CHANNEL)) == "dead_channel"
    newer = pb.Modality(reason=4711)  # type: ignore[arg-type]
    assert reason_word(newer) == "other"


def test_a_bundle_without_limits_is_warned_of_and_one_with_them_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_without_limits(load(ROOT / "deploy/bundles/demo"))
    assert not caplog.messages
    warn_without_limits(load(write_toy_bundle(tmp_path / "toy")))
    (message,) = caplog.messages
    assert all(part in message for part in ("toy", "top, mic", "inspector plausibility"))
