"""Number and bytes of the verdicts are known without counting them, and removing them races with nobody."""

import threading
from contextlib import closing

import pytest
from sqlalchemy import Connection, delete, event, func, select, text

from inspector.archive.compare import Difference, Kind
from inspector.archive.database import Database
from inspector.archive.rebuild import repair
from inspector.archive.retention import Limits, RowRetention, remove_verdicts
from inspector.archive.schema import HOLDS, TOTALS, VERDICTS
from inspector.archive.totals import Totals, totals
from tests.inspector.archive.parts import SOURCE, entries, fill, make_entry, make_verdict, token_after, verdict_store


def counted(connection: Connection) -> Totals:
    row = connection.execute(select(func.count(), func.coalesce(func.sum(VERDICTS.c.stored_bytes), 0))).one()
    return Totals(*(int(value) for value in row))


def assert_right(database: Database, number: int) -> None:
    with database.read() as connection:
        assert totals(connection) == counted(connection)
        assert totals(connection).verdicts == number


def test_totals_follow_what_is_stored_removed_and_repaired(database: Database) -> None:
    with database.read() as connection:
        assert totals(connection) == (0, 0)
    fill(database, range(50))
    verdict_store(database).store(entries(range(40, 60)), token_after(60))
    assert_right(database, 60)
    assert RowRetention(database, Limits({1: 1.0}), threading.Event()).apply() == 36
    assert_right(database, 24)
    longer = make_verdict(3)
    longer.images.add(camera="other", heat_map_png=b"png" * 1000)
    with database.write() as connection:
        key, extra = connection.execute(select(VERDICTS.c.key).order_by(VERDICTS.c.key).limit(2)).scalars()
        differences = [
            Difference(Kind.DIFFERENT, SOURCE, 3, "", key, make_entry(longer, 3)),
            Difference(Kind.EXTRA, SOURCE, 4, "", extra),
            Difference(Kind.MISSING, SOURCE, 99, "", None, make_entry(make_verdict(99), 99)),
        ]
        assert repair(connection, differences).changed == 1
    assert_right(database, 24)


def test_a_store_that_fails_leaves_the_totals(database: Database) -> None:
    fill(database, range(5))
    with database.engine.connect() as connection:
        remove_verdicts(connection, [1, 2])
        connection.rollback()
    assert_right(database, 5)


@pytest.mark.parametrize("moment", ["SELECT verdicts", "DELETE FROM verdicts"])
def test_a_piece_that_someone_begins_to_hold_meanwhile_stays(postgres_url: str, moment: str) -> None:
    """The right moment is between two statements of one transaction, so another connection steps in there."""
    with closing(Database(postgres_url)) as database, closing(Database(postgres_url)) as other:
        fill(database, range(5))
        tried: list[str] = []

        def step_in(_: object, __: object, statement: str, *___: object) -> None:
            if statement.startswith(moment) and not tried:
                tried.append(statement)
                try:
                    with other.write() as connection:
                        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
                        connection.execute(
                            HOLDS.insert(), {"verdict_key": 3, "holder": "review", "name": "", "since_ns": 1}
                        )
                except Exception:  # noqa: BLE001 - refused: the removal was first
                    tried.append("refused")

        event.listen(database.engine, "before_cursor_execute", step_in)
        RowRetention(database, Limits({1: 1.0}), threading.Event()).apply()
        with database.read() as connection:
            is_held = bool(connection.execute(select(HOLDS.c.verdict_key)).all())
            left = connection.execute(select(VERDICTS.c.key)).scalars().all()
        assert is_held == (moment == "SELECT verdicts") == ("refused" not in tried)
        assert (3 in left) == is_held
        assert_right(database, len(left))


def test_a_rebuild_holds_the_lock_of_the_archive_while_it_adds_verdicts(postgres_url: str) -> None:
    """Else a verdict with a lower key could become visible after one with a higher key."""
    with closing(Database(postgres_url)) as database, closing(Database(postgres_url)) as other:
        fill(database, range(5))
        with database.write() as connection:
            repair(connection, [Difference(Kind.MISSING, SOURCE, 9, "", None, make_entry(make_verdict(9), 9))])
            with other.read() as reader:
                free = reader.execute(text("SELECT name FROM followers FOR UPDATE SKIP LOCKED")).all()
        assert free == []


def test_totals_are_one_row(database: Database) -> None:
    fill(database, range(3))
    fill(database, range(3, 6))
    with database.write() as connection:
        assert connection.execute(delete(TOTALS)).rowcount == 1
