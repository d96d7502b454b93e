"""A hold that begins between the choice of old recordings and their removal keeps them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from inspector.archive.database import Database
from inspector.archive.rows import PieceFilter
from inspector.archive.schema import HOLDS
from inspector.archive.turns import turn_of
from inspector.recipe.keep import Keep
from tests.inspector.archive.recordings.kept_line import KeptLine, archive_verdicts
from tests.inspector.archive.recordings.test_inputs import Judged
from tests.inspector.archive.recordings.test_keeper import kept_line

NUM = 6
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.fixture
def line(tmp_path: Path, database: Database) -> Iterator[KeptLine]:
    judged = Judged(tmp_path / "judged", NUM)
    archive_verdicts(judged.log, database)
    with closing(kept_line(judged, database, tmp_path)) as opened:
        opened.run()
        yield opened


def wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


def num_waiting(database: Database) -> int:
    """Writers that wait for another one."""
    if database.path is not None:
        return turn_of(database.path).num_waiting
    with database.read() as connection:
        return int(connection.execute(WAITING).scalar_one())


@pytest.mark.parametrize("limits", [{"pass_days": 1e-9}, {"pass_bytes": 0}])
def test_a_hold_that_is_not_committed_when_the_pieces_are_chosen_wins(
    line: KeptLine, database_url: str, limits: dict[str, float]
) -> None:
    line.keeps = {"disc": Keep.model_validate({"pieces": "all", **limits})}
    rows = line.archive.find(PieceFilter(decisions=[1]), limit=100)
    removed: list[int] = []
    removing = threading.Thread(target=lambda: removed.append(line.retention().apply()))
    with closing(Database(database_url)) as reviewers:
        with reviewers.write() as connection:
            row = {"verdict_key": rows[0].key, "holder": "review", "name": "", "since_ns": 1}
            connection.execute(HOLDS.insert(), row)
            removing.start()
            wait_for(lambda: num_waiting(line.database) == 1)
        removing.join(60)
    assert removed == [len(rows) - 1]
    assert all(kept.sha256 for kept in line.archive.recordings(rows[0].key))
    (cause,) = ({"pass_days": "age", "pass_bytes": "bytes"}[name] for name in limits)
    assert line.value("removed_pieces_total", decision="pass", cause=cause) == len(rows) - 1
    assert not any(kept.sha256 for row in rows[1:] for kept in line.archive.recordings(row.key))
