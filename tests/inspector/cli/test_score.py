"""Verdicts of a line are compared with the truth of a replay, and with those of a shadow."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.evaluation.line_score import NEAR_NS
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.embedded import EmbeddedLog
from streams.records import TYPE_PREFIX, Output, Topics
from tests.bundles import write_toy_bundle
from tests.inspector.rollout.toys import RECIPE

CONFIG = 'lines = ["l1"]\nrecipes = ["cup.toml"]\n[log]\nkind = "embedded"\npath = "log.sqlite"\n'
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
