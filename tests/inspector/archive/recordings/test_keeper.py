"""What pieces were judged on is kept, once, and read back from the archive bit for bit."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.recordings.folder_store import FolderStore
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.archive.recordings.keeping import Keeping
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.archive.recordings.missing import Why
from inspector.archive.recordings.objects import ObjectStoreError, ObjectStoreFullError
from inspector.archive.rows import PieceFilter
from inspector.archive.schema import HOLDS
from inspector.recipe.keep import Keep
from inspector.verdicts.follow import StoreError
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogUnavailableError
from tests.inspector.archive.recordings.kept_line import ALL, KeptLine, archive_verdicts
from tests.inspector.archive.recordings.recorded_line import PREFIX, assert_equal
from tests.inspector.archive.recordings.test_inputs import Judged

NUM = 12


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(tmp_path_factory.mktemp("judged"), NUM)


@pytest.fixture
def line(judged: Judged, database: Database, tmp_path: Path) -> Iterator[KeptLine]:
    archive_verdicts(judged.log, database)
    with closing(kept_line(judged, database, tmp_path)) as opened:
        yield opened


@pytest.fixture
def sqlite_line(judged: Judged, sqlite: Database, tmp_path: Path) -> Iterator[KeptLine]:
    archive_verdicts(judged.log, sqlite)
    with closing(kept_line(judged, sqlite, tmp_path)) as opened:
        yield opened


def kept_line(judged: Judged, database: Database, tmp_path: Path, keep: Keep = ALL) -> KeptLine:
    line = KeptLine(judged.log, PREFIX, database, tmp_path / "store", keep)
    line.inputs.close()
    line.inputs = judged.reader()
    line.keeper = line.keeper_of(line.store)
    return line


def num_kept(line: KeptLine) -> float:
    return sum(line.value("kept_pieces_total", decision=decision) for decision in ("pass", "fail", "review"))


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_every_piece_comes_back_from_the_archive_as_it_was_judged(judged: Judged, line: KeptLine) -> None:
    line.run()
    kept = KeptInputs(line.archive, line.store)
    rows = line.archive.find(PieceFilter(), limit=100)
    assert len(rows) == NUM
    for row in rows:
        again = kept.read(row.key)
        assert again.is_whole, again.missing
        expected = next(piece for name, piece in judged.observations.items() if name.piece_id == row.piece_id)
        assert_equal(again.observation, expected)
    assert num_kept(line) == NUM
    assert line.value("lag_seconds") == 0
    assert {recording.format for row in rows for recording in line.archive.recordings(row.key)} == {
        "png",
        "flac",
        "npy",
    }


def test_pieces_are_kept_once_however_often_they_are_looked_at(line: KeptLine, tmp_path: Path) -> None:
    line.run()
    before = files(tmp_path)
    assert not line.keeper.step()
    other = line.keeper_of(line.store)
    assert not other.step()
    assert files(tmp_path) == before


def test_two_keepers_of_one_archive_keep_each_piece_once(
    judged: Judged, line: KeptLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one has read the same verdicts and comes too late."""
    other = line.keeper_of(line.store)
    keep = line.rows.keep
    is_first = True

    def keep_late(*arguments: object) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            assert other.step()
        keep(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(line.rows, "keep", keep_late)
    line.run()
    assert num_kept(line) == NUM
    rows = line.archive.find(PieceFilter(), limit=100)
    assert all(len(line.archive.recordings(row.key)) in (8, 9) for row in rows)


@pytest.mark.parametrize(("pieces", "share"), [("not_pass", 0.0), ("sampled", 0.5), ("all", 1.0)])
def test_the_recipe_says_which_pieces_are_kept(
    judged: Judged, sqlite: Database, tmp_path: Path, pieces: str, share: float
) -> None:
    archive_verdicts(judged.log, sqlite)
    keep = Keep.model_validate({"pieces": pieces, "pass_share": 0.5})
    with closing(kept_line(judged, sqlite, tmp_path, keep)) as line:
        line.run()
        kept = {row.piece_id for row in line.archive.find(PieceFilter(), limit=100) if line.archive.recordings(row.key)}
    not_pass = {f"p{number}" for number in range(0, NUM, 3)}
    drawn = {name.piece_id for name in judged.observations if keep.wants(name, 1)}
    assert kept == not_pass | drawn
    assert {"not_pass": len(drawn) == 0, "all": len(drawn) == NUM}.get(pieces, 0 < len(drawn) < NUM)


class FailingStore(FolderStore):
    """Fails at its n-th write."""

    def __init__(self, folder: Path, error: Exception, at: int) -> None:
        super().__init__(folder)
        self.error: Exception | None = error
        self.left = at

    def put(self, content: bytes) -> str:
        self.left -= 1
        if self.left < 0 and self.error is not None:
            raise self.error
        return super().put(content)


@pytest.mark.parametrize("error", [ObjectStoreFullError("full"), ObjectStoreError("away")])
def test_a_full_or_absent_store_delays_keeping_with_a_metric_and_an_alert(
    sqlite_line: KeptLine, tmp_path: Path, error: ObjectStoreError, caplog: pytest.LogCaptureFixture
) -> None:
    store = FailingStore(tmp_path / "store", error, 20)
    keeping = Keeping(sqlite_line.keeper_of(store), sqlite_line.retention(), sqlite_line.metrics, 86_400)
    assert keeping.turn() > 0
    assert keeping.turn() > 0
    is_full = isinstance(error, ObjectStoreFullError)
    assert sqlite_line.value("full") == is_full
    assert sqlite_line.value("store_errors_total") == 2
    assert [record.levelname for record in caplog.records] == ["ERROR" if is_full else "WARNING"]
    assert "The line goes on" in caplog.text
    store.error = None
    assert keeping.turn() == 0
    assert sqlite_line.value("full") == 0
    assert "Recordings are kept again" in caplog.text
    sqlite_line.run()
    assert num_kept(sqlite_line) == NUM


@pytest.mark.parametrize("error", [LogUnavailableError("away"), StoreError("away")])
def test_a_log_or_database_that_is_away_delays_keeping(
    sqlite_line: KeptLine, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise error

    keeping = Keeping(sqlite_line.keeper, sqlite_line.retention(), sqlite_line.metrics, 86_400)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_line.keeper, "_piece", fail)
        assert [keeping.turn() for _ in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert len(caplog.records) == 1
    assert keeping.turn() == 0
    assert sqlite_line.value("kept_pieces_total", decision="fail") == NUM / 3


def test_a_crash_between_files_and_rows_leaves_files_that_the_sweep_removes(
    line: KeptLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(line.rows, "keep", crash)
        with pytest.raises(KeyboardInterrupt):
            line.keeper.step()
    assert files(tmp_path)
    line.retention(grace_s=3600).sweep()
    assert files(tmp_path), "too young to be removed"
    assert line.retention().sweep() == line.value("orphans_total") > 0
    assert files(tmp_path) == []
    line.run()
    kept = len(files(tmp_path))
    assert line.retention().sweep() == 0
    assert len(files(tmp_path)) == kept


def test_what_the_log_lost_is_counted_and_named(tmp_path: Path, sqlite: Database) -> None:
    judged = Judged(tmp_path, 3)
    archive_verdicts(judged.log, sqlite)
    judged.change("DELETE FROM records WHERE type LIKE '%SignalChunk'")
    with closing(kept_line(judged, sqlite, tmp_path)) as line:
        line.run()
        assert line.value("missing_total", reason="gone") == 6
        (row, *_) = line.archive.find(PieceFilter(), limit=1)
        absent = {kept.source: (kept.absent, kept.kind) for kept in line.archive.recordings(row.key) if kept.absent}
        assert absent == {"mic": ("gone", "audio"), "near": ("gone", "vibration")}
        again = KeptInputs(line.archive, line.store).read(row.key)
    assert {(missing.source, missing.why) for missing in again.missing} == {("mic", Why.GONE), ("near", Why.GONE)}
    assert len(again.observation.views["top"].images) == 3


def test_a_file_that_was_lost_or_damaged_is_named(judged: Judged, sqlite_line: KeptLine, tmp_path: Path) -> None:
    sqlite_line.run()
    (row, *_) = sqlite_line.archive.find(PieceFilter(), limit=1)
    by_source = {kept.source: kept for kept in sqlite_line.archive.recordings(row.key)}
    for source, change in (("mic", b""), ("deep", b"no picture")):
        digest = by_source[source].sha256 or ""
        path = tmp_path / "store" / digest[:2] / digest[2:]
        if change:
            path.write_bytes(change)
        else:
            path.unlink()
    again = KeptInputs(sqlite_line.archive, sqlite_line.store).read(row.key)
    assert {(missing.source, missing.why) for missing in again.missing} == {("mic", Why.GONE), ("deep", Why.UNREADABLE)}


def hold(line: KeptLine, key: int) -> None:
    with line.database.write() as connection:
        connection.execute(HOLDS.insert(), {"verdict_key": key, "holder": "review", "name": "", "since_ns": 1})


@pytest.mark.parametrize(
    ("limits", "cause"),
    [({"pass_days": 1e-9}, "age"), ({"pass_bytes": 0}, "bytes")],
)
def test_old_and_surplus_recordings_go_but_those_that_somebody_holds_stay(
    judged: Judged, line: KeptLine, tmp_path: Path, limits: dict[str, float], cause: str
) -> None:
    line.run()
    line.keeps = {"disc": Keep.model_validate({"pieces": "all", **limits})}
    rows = line.archive.find(PieceFilter(decisions=[1]), limit=100)
    hold(line, rows[0].key)
    assert line.retention().apply() == len(rows) - 1
    assert line.value("removed_pieces_total", decision="pass", cause=cause) == len(rows) - 1
    assert all(kept.sha256 for kept in line.archive.recordings(rows[0].key))
    gone = line.archive.recordings(rows[1].key)
    assert {(kept.sha256, kept.absent) for kept in gone} == {(None, "expired")}
    kept_rows = [rows[0], *line.archive.find(PieceFilter(decisions=[2]), limit=100)]
    needed = {kept.sha256 for row in kept_rows for kept in line.archive.recordings(row.key)}
    assert len(files(tmp_path)) == len(needed)
    assert line.retention().apply() == 0


def test_the_oldest_go_first_until_the_rest_fits(line: KeptLine, tmp_path: Path) -> None:
    line.run()
    rows = sorted(line.archive.find(PieceFilter(decisions=[1]), limit=100), key=lambda row: -row.key)
    sizes = [sum(kept.num_bytes for kept in line.archive.recordings(row.key)) for row in rows]
    line.keeps = {"disc": Keep(pieces="all", pass_bytes=sizes[0] + sizes[1])}
    line.retention().apply()
    left = [row.key for row in rows if any(kept.sha256 for kept in line.archive.recordings(row.key))]
    assert left == [rows[0].key, rows[1].key]
    assert line.value("bytes", decision="pass") == sum(sizes)
    line.retention().apply()
    assert line.value("bytes", decision="pass") == sizes[0] + sizes[1]


def test_files_of_a_verdict_that_the_archive_removed_are_swept(line: KeptLine, tmp_path: Path) -> None:
    line.run()
    with line.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM verdicts")
    for path in files(tmp_path):
        os.utime(path, (path.stat().st_mtime - 7200,) * 2)
    assert line.retention(grace_s=0).sweep() > 0
    assert files(tmp_path) == []


@pytest.mark.parametrize("error", [IndexError("list index out of range"), MemoryError()])
def test_a_piece_that_cannot_be_read_by_an_error_delays_no_other_one(
    sqlite_line: KeptLine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """It used to end the floor, at each start anew."""
    read, failures = sqlite_line.inputs.read, [error]

    def fails_once(verdict: Verdict) -> JudgedInputs:
        if failures:
            raise failures.pop()
        return read(verdict)

    monkeypatch.setattr(sqlite_line.inputs, "read", fails_once)
    sqlite_line.run()
    assert num_kept(sqlite_line) == NUM - 1
    assert sqlite_line.value("missing_total", reason="unreadable") == 1
    assert "cannot be read, by an error of this program" in caplog.text


def test_the_sweep_of_a_service_that_restarts_often_comes_to_every_folder(
    sqlite_line: KeptLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to begin with the first one at each start."""
    swept: list[str] = []
    retention = sqlite_line.retention()

    def sweep(prefixes: Sequence[str]) -> int:
        swept.extend(prefixes)
        return 0

    monkeypatch.setattr(retention, "sweep", sweep)
    for _ in range(12):
        moments = iter([0.0])  # when it is made; an hour and more has passed afterwards
        keeping = Keeping(
            sqlite_line.keeper, retention, sqlite_line.metrics, 256.0, monotonic=partial(next, moments, 4000.0)
        )
        keeping.turn()
    assert len(set(swept)) > 1


def test_held_recordings_take_no_room_from_the_others(sqlite_line: KeptLine) -> None:
    """The newest pieces used to go, because the held ones alone had more bytes than the limit."""
    sqlite_line.run()
    rows = sqlite_line.archive.find(PieceFilter(decisions=[1]), limit=100)
    sizes = {row.key: sum(kept.num_bytes for kept in sqlite_line.archive.recordings(row.key)) for row in rows}
    newest, *others = sorted(sizes, reverse=True)
    for key in others:
        hold(sqlite_line, key)
    sqlite_line.keeps = {"disc": Keep(pieces="all", pass_bytes=sizes[newest])}
    assert sqlite_line.retention().apply() == 0
    assert sqlite_line.value("held_bytes", decision="pass") == sum(sizes[key] for key in others)
    assert sqlite_line.value("bytes", decision="pass") == sum(sizes.values())
