"""What was published is remembered, and no more than the folder holds."""

from contextlib import closing
from pathlib import Path

import pytest

from inspector.sources.arrivals import Arrival, State
from inspector.sources.journal import Journal, JournalError

A, B = Arrival("a.png", State(1, 10)), Arrival("b.png", State(2, 20))


def journal(folder: Path) -> Journal:
    return Journal(folder / "j.jsonl", folder)


def test_a_published_file_is_known_after_a_restart_and_a_changed_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    with closing(journal(tmp_path)) as first:
        first.begin("p", 5)
        first.done("p", [A])
        assert first.has(A)
    with closing(journal(tmp_path)) as second:
        assert second.has(A)
        assert not second.has(Arrival("a.png", State(1, 11)))
        assert not second.has(B)
        assert second.begun == {}


def test_a_piece_that_was_begun_and_not_done_is_known_with_its_time(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as first:
        first.begin("p", 5)
    for _ in range(2):
        with closing(journal(tmp_path)) as later:
            assert later.begun == {"p": 5}


def test_files_that_are_gone_are_forgotten_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    with closing(journal(tmp_path)) as first:
        first.done("p", [A, B])
    with closing(journal(tmp_path)):
        assert "b.png" not in (tmp_path / "j.jsonl").read_text()


def test_a_line_that_was_cut_is_ignored_and_the_others_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "j.jsonl").write_text('["file", "a.png", 1, 10]\n["file", "b.p')
    with closing(journal(tmp_path)) as read:
        assert read.has(A)
    assert "a line cannot be read and is ignored" in caplog.text


def test_a_journal_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").mkdir()
    with pytest.raises(JournalError, match="--journal"):
        journal(tmp_path)
