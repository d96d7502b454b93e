"""`inspector dead-letters` counts what could not be used and says why."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.cli.dead_letters import MAX_ROWS, counted
from protos.inspection.v1.records_pb2 import DeadLetter, DeadLetterReason
from streams.decode.dead_letters import DEAD_LETTER_TYPE
from streams.embedded import EmbeddedLog
from streams.records import Output, Topics
from tests.bundles import write_toy_bundle
from tests.inspector.rollout.toys import CONFIG, RECIPE

TOPIC = Topics("inspection", "l1").of("dead-letters")


def letter(station: str, detail: str, append_ns: int) -> DeadLetter:
    return DeadLetter(
        reason=DeadLetterReason.DEAD_LETTER_REASON_WRONG_FORMAT,
        detail=detail,
        line="l1",
        station=station,
        append_ns=append_ns,
    )


def shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(main, ["dead-letters", "--config", str(folder / "service.toml")])
    assert done.exit_code == 0, done.output
    return done.output


def test_records_are_counted_with_the_last_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "cup.toml").write_text(RECIPE)
    write_toy_bundle(tmp_path / "own")
    assert shown(tmp_path, monkeypatch) == "no dead letters in the log\n"
    letters = [letter("a", "48 kHz, expected 16", 1), letter("a", "44 kHz, expected 16", 2), letter("b", "stereo", 3)]
    with closing(EmbeddedLog(tmp_path / "log.sqlite")) as log, closing(log.publisher()) as publisher:
        publisher.publish([Output(TOPIC, None, b"a", each.SerializeToString(), DEAD_LETTER_TYPE) for each in letters])
    rows = [line.split() for line in shown(tmp_path, monkeypatch).splitlines() if "WRONG_FORMAT" in line]
    assert [(row[3], row[0]) for row in rows] == [("l1/a", "2"), ("l1/b", "1")]
    assert "44 kHz, expected 16" in shown(tmp_path, monkeypatch)


def test_names_that_producers_invent_take_a_bounded_place() -> None:
    kinds = counted(letter(f"s{number}", "x", number) for number in range(MAX_ROWS + 500))
    assert len(kinds) == MAX_ROWS + 1
    assert sum(kind.count for kind in kinds) == MAX_ROWS + 500
