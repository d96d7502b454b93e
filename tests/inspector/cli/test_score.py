"""Verdicts of a line are compared with the truth of a replay, and with those of a shadow."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.dataset.good_class import PROVENANCE_KEY
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, write_manifest
from inspector.dataset.recordings import write_wav
from inspector.evaluation.line_score import NEAR_NS
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.embedded import EmbeddedLog
from streams.records import TYPE_PREFIX, Output, Topics
from tests.bundles import edit_manifest, grey, write_toy_bundle
from tests.inspector.rollout.toys import CONFIG, RECIPE

TOPICS = Topics("inspection", "l1")
PASS, FAIL, REVIEW = Decision.DECISION_PASS, Decision.DECISION_FAIL, Decision.DECISION_REVIEW


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "cup.toml").write_text(RECIPE)
    write_toy_bundle(tmp_path / "own")
    return tmp_path / "service.toml"


def verdict(piece: str, decision: Decision, entry_ns: int = 5, *, shadow: bool = False) -> Verdict:
    named = Inspection(line="l1", station="s", piece_id=piece)
    return Verdict(
        inspection=named,
        decision=decision,
        entry_ns=entry_ns,
        shadow=shadow,
        recipe="cup",
        deployment=2 if shadow else 0,
    )


def publish(config: Path, verdicts: Sequence[Verdict]) -> None:
    outputs = [
        Output(
            TOPICS.of("shadow" if each.shadow else "verdicts"),
            None,
            b"s",
            each.SerializeToString(),
            f"{TYPE_PREFIX}Verdict",
        )
        for each in verdicts
    ]
    with closing(EmbeddedLog(config.with_name("log.sqlite"))) as log, closing(log.publisher()) as publisher:
        publisher.publish(outputs)


def truth(folder: Path, **pieces: str) -> Path:
    """By piece: ok, or the class of its defect."""
    lines = [
        {
            "line": "l1",
            "station": "s",
            "piece_id": piece,
            "pass_number": 0,
            "entry_ns": 5,
            "label": "ok" if word == "ok" else "nok",
            "defects": [] if word == "ok" else [word],
        }
        for piece, word in pieces.items()
    ]
    (folder / "truth.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder / "truth.jsonl"


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_verdicts_are_counted_by_label_and_class(config: Path, tmp_path: Path) -> None:
    publish(config, [verdict("a", PASS), verdict("b", FAIL), verdict("c", PASS), verdict("d", REVIEW)])
    publish(config, [verdict("a", FAIL), verdict("other", FAIL), verdict("e", FAIL, 5 + 2 * NEAR_NS)])
    file = truth(tmp_path, a="ok", b="ok", c="crack", d="crack", e="dent")
    lines = run("score", file, "--config", config).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["PASS", "FAIL", "REVIEW", "none"],
        ["ok", "1", "1", "0", "0"],
        ["nok", "1", "0", "1", "1"],
        ["crack", "1", "0", "1", "0"],
        ["dent", "0", "0", "0", "1"],
    ]
    assert lines[5:] == ["escapes (nok that passed): 1: c", "false rejects (ok that failed): 1: b"]


def pieces_without_label_ok(folder: Path, **classes: str) -> Path:
    """A set such as steel by type of damage: each piece has a class, and none is labelled ok."""
    cv2.imwrite(str(folder / "grey.png"), grey(0.2))
    write_wav(folder / "silence.wav", np.eye(16, 1, dtype=np.int16), 100)
    rows = [
        PieceRow(
            piece_id=piece,
            images=(ImageRow(camera="top", path="grey.png"),),
            signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path="silence.wav"),),
            label="nok",
            defects=(name,),
            split="test",
        )
        for piece, name in classes.items()
    ]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def test_the_good_class_of_the_bundle_is_good_in_truth_and_score(config: Path, tmp_path: Path) -> None:
    edit_manifest(tmp_path / "own", {"provenance": {PROVENANCE_KEY: '["plain"]'}})
    manifest, file = pieces_without_label_ok(tmp_path, a="plain", b="plain", c="crack"), tmp_path / "truth.jsonl"
    run("replay", manifest, "--config", config, "--rate", "40", "--split", "test", "--truth", file)
    published = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["label"], row["defects"]) for row in published] == [("ok", []), ("ok", []), ("nok", ["crack"])]
    entries = {row["piece_id"]: (row["station"], row["entry_ns"]) for row in published}
    verdicts = [
        verdict(piece, decision, entries[piece][1]) for piece, decision in zip("abc", [PASS, FAIL, PASS], strict=True)
    ]
    for each in verdicts:
        each.inspection.station = entries[each.inspection.piece_id][0]
    publish(config, verdicts)
    lines = run("score", file, "--config", config).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["ok", "nok", "crack"]
    assert lines[4:] == ["escapes (nok that passed): 1: c", "false rejects (ok that failed): 1: b"]


def test_a_file_that_is_no_truth_is_named_with_its_line(config: Path, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"piece_id": "a"}\n')
    done = CliRunner().invoke(main, ["score", str(tmp_path / "m.jsonl"), "--config", str(config)])
    assert (done.exit_code, "m.jsonl:1: is no line of `inspector replay --truth`" in done.output) == (1, True)


def test_a_shadow_is_compared_piece_by_piece(config: Path) -> None:
    assert "no shadow has judged" in run("deployments", "--differences", "--config", config)
    publish(config, [verdict(piece, PASS) for piece in "abcd"])
    shadows = {"a": PASS, "b": FAIL, "c": FAIL, "d": REVIEW, "gone": FAIL}
    publish(config, [verdict(piece, decision, shadow=True) for piece, decision in shadows.items()])
    assert run("deployments", "--differences", "--config", config).splitlines() == [
        "4 pieces judged by both, 3 differently",
        "l1 cup 2: PASS here, FAIL by the shadow: 2: b, c",
        "l1 cup 2: PASS here, REVIEW by the shadow: 1: d",
    ]
