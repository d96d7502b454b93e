"""The writers of one SQLite file take turns, in the order in which they came, whoever opened the file."""

import threading
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive import database as database_module
from inspector.archive.database import Database
from inspector.archive.turns import Turn, TurnTimeoutError, turn_of
from inspector.verdicts.follow import StoreError


def waiting(turn: Turn, number: int) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if turn.num_waiting == number:
            return
        pause.wait(0.01)
    raise AssertionError("nobody waits")


def test_a_writer_that_comes_again_and_again_lets_the_others_go_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'archive.sqlite'}"
    turn, order = turn_of(tmp_path / "archive.sqlite"), list[str]()

    def write(database: Database, name: str) -> None:
        with database.write():
            order.append(name)

    with closing(Database(url)) as one, closing(Database(f"{url}")) as other:
        with one.write():
            threads = []
            for number, (database, name) in enumerate([(other, "first"), (one, "second"), (other, "third")], 1):
                thread = threading.Thread(target=write, args=(database, name))
                thread.start()
                threads.append(thread)
                waiting(turn, number)
        write(one, "the one that wrote before")
        for thread in threads:
            thread.join(60)
    assert order == ["first", "second", "third", "the one that wrote before"]


def test_who_waits_too_long_gives_up_and_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "TURN_S", 0.05)
    url = f"sqlite:///{tmp_path / 'archive.sqlite'}"
    with closing(Database(url)) as one, closing(Database(url)) as other:
        with one.write(), pytest.raises(StoreError, match="other writers have been busy"), other.write():
            pass
        with other.write(), one.read():
            pass


def test_a_turn_that_comes_at_the_last_moment_is_passed_on() -> None:
    turn = Turn()
    with turn.taken(0), pytest.raises(TurnTimeoutError), turn.taken(0):
        pass
    with turn.taken(0):
        assert turn.num_waiting == 0


def test_one_file_has_one_turn_however_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert turn_of(tmp_path / "link" / "a.sqlite") is turn_of(tmp_path / "a.sqlite")
    assert turn_of(tmp_path / "b.sqlite") is not turn_of(tmp_path / "a.sqlite")
