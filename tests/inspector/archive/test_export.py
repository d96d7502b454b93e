"""The export is read by DuckDB and pandas, and holds every verdict once."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive import export as export_module
from inspector.archive.database import Database
from inspector.archive.export import ExportError, export
from inspector.archive.find import Archive, PieceFilter
from inspector.archive.verdict_row import NS_PER_DAY
from protos.inspection.v1.verdict_pb2 import DECISION_FAIL
from tests.inspector.archive.parts import BEGIN_NS, entries, make_entry, make_verdict, token_after, verdict_store

NUM = 250


def fill(database: Database) -> None:
    """The second half is three days later."""
    early = entries(range(NUM))
    late = []
    for number in range(NUM, 2 * NUM):
        verdict = make_verdict(number)
        verdict.entry_ns += 3 * NS_PER_DAY
        late.append(make_entry(verdict, number))
    verdict_store(database).store([*early, *late], token_after(2 * NUM))


def test_duckdb_and_pandas_read_the_export(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb
    import pandas

    monkeypatch.setattr(export_module, "ROWS_AT_ONCE", 100)
    fill(database)
    seen: list[int] = []
    exported = export(database, tmp_path / "out", PieceFilter(), seen.append)
    assert exported.num_rows == 2 * NUM == seen[-1]
    assert len(seen) >= 6
    assert sorted(path.parent.name for path in exported.files) == ["day=2023-11-14", "day=2023-11-17"]
    with closing(duckdb.connect()) as db:
        counted = db.execute(
            "SELECT day, decision, count(*) FROM read_parquet(?) GROUP BY ALL", [f"{tmp_path}/out/*/*.parquet"]
        ).fetchall()
        assert sum(count for _, _, count in counted) == 2 * NUM
        assert {decision for _, decision, _ in counted} == {"PASS", "FAIL", "REVIEW"}
    frame = pandas.read_parquet(tmp_path / "out")
    assert sorted(frame["key"]) == sorted(set(frame["key"]))
    assert len(frame) == 2 * NUM
    assert frame["entry_time"].min().value == BEGIN_NS
    first = Archive(database).find(PieceFilter(piece_id="p00003"))[0]
    row = frame[frame["piece_id"] == "p00003"].iloc[0]
    assert (row["defect_class"], row["score"], row["decision"], row["key"]) == ("crack", first.score, "FAIL", first.key)


def test_a_filter_limits_the_export_and_a_day_is_replaced(database: Database, tmp_path: Path) -> None:
    import pandas

    fill(database)
    folder = tmp_path / "out"
    export(database, folder, PieceFilter())
    failed = export(database, folder, PieceFilter(decisions=[DECISION_FAIL], line="a", until_ns=BEGIN_NS + NS_PER_DAY))
    assert failed.num_rows == NUM // 5
    frame = pandas.read_parquet(folder)
    assert len(frame) == NUM + NUM // 5
    assert not list(folder.glob("**/*.part"))


def test_a_folder_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    fill(database)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ExportError, match="cannot be written"):
        export(database, tmp_path / "out", PieceFilter())


def test_the_missing_package_is_named(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match="needs pyarrow, which is not installed: in the checkout, pip install"):
        export(database, tmp_path / "out", PieceFilter())
