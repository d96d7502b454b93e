"""`inspector archive`: find, export, figures, verify, rebuild."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.archive.database import Database
from inspector.archive.rebuild import rebuild
from inspector.archive.schema import VERDICTS
from inspector.cli import main
from streams.embedded.log import EmbeddedLog
from tests.inspector.archive.parts import make_verdict, publish
from tests.inspector.archive.tables import make_tables
from tests.texts import service_text

NUM = 40
CONFIG = service_text("*.recipe", "[archive]\nmin_free_bytes = 0", line="a")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration with a log and its archive."""
    (tmp_path / "service.toml").write_text(CONFIG)
    log = EmbeddedLog(tmp_path / "log.sqlite")
    publish(log, [make_verdict(number) for number in range(NUM)])
    with closing(archive_in(tmp_path)) as database:
        make_tables(database)
        rebuild(log, database)
    return tmp_path


def archive_in(folder: Path) -> Database:
    return Database(f"sqlite:///{folder / 'archive.sqlite'}")


def call(folder: Path, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["archive", command, "--config", str(folder / "service.toml"), *arguments])


def test_pieces_are_found_as_a_table_and_as_json(folder: Path) -> None:
    table = call(folder, "find", "--station", "s1", "--limit", "5")
    assert table.exit_code == 0, table.output
    assert "more with --before" in table.output
    result = call(folder, "find", "--decision", "fail", "--class", "crack", "--json", "--verdict")
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["piece_id"] for row in rows] == ["p00033", "p00023", "p00013", "p00003"]
    assert all((row["decision"], row["defect_class"]) == ("FAIL", "crack") for row in rows)
    assert rows[0]["verdict"]["inspection"]["piece_id"] == "p00033"
    assert "heat_map_png" not in rows[0]["verdict"]["images"][0]


def test_nothing_found_is_exit_code_1(folder: Path) -> None:
    result = call(folder, "find", "--piece", "none")
    assert (result.exit_code, result.output.strip()) == (1, "no piece found")


def test_a_time_that_is_none_is_refused(folder: Path) -> None:
    assert "is no ISO 8601 time" in call(folder, "find", "--since", "yesterday").output


def test_figures_are_shown_and_given_as_json(folder: Path) -> None:
    times = ("--since", "2023-11-14T22:13:20+00:00", "--until", "2023-11-14T22:14:00+00:00")
    assert "dent" in call(folder, "figures", *times).output
    reports = call(
        folder, "figures", *times, "--every", str(20 / 3600), "--by", "product", "--json"
    ).output.splitlines()
    assert len(reports) == 2
    report = json.loads(reports[0])
    assert {tuple(each["group"]): each["passed"] for each in report["decisions"]} == {("cup",): 6, ("plate",): 6}
    assert report["classes"][0]["defect_class"] == "dent"
    assert report["latency"]["num_pieces"] == 20
    assert call(folder, "figures", "--since", "2023-01-01", "--until", "2022-01-01").exit_code == 2


def test_the_export_is_counted(folder: Path) -> None:
    done = call(folder, "export", "--out", str(folder / "out"))
    assert done.exit_code == 0, done.output
    assert f"{NUM} verdicts of 1 days" in done.output


def test_differences_are_listed_and_repaired(folder: Path) -> None:
    clean = call(folder, "verify")
    assert (clean.exit_code, f"{NUM} equal, 0 different" in clean.output) == (0, True), clean.output
    with closing(archive_in(folder)) as database, database.write() as connection:
        connection.execute(VERDICTS.update().where(VERDICTS.c.key == 4).values(lot="x"))
        connection.execute(VERDICTS.delete().where(VERDICTS.c.key == 5))
    verified = call(folder, "verify")
    assert verified.exit_code == 1
    assert "different t.a.verdicts/0@4 a/s0/p00003#0: lot" in verified.output
    assert "'inspector archive rebuild' makes these rows again" in verified.output
    assert "1 verdicts added, 1 changed, 0 removed" in call(folder, "rebuild").output
    assert call(folder, "verify").exit_code == 0
