"""The statements that are spelled per database: insert many rows, insert unless there, insert or update."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import Column, Connection, Row, Table, bindparam, column, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

Cell = str | int | float | bytes | bool | None
Cells = Mapping[str, Cell]
_NEWEST_KEY = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
_UNLESS_THERE = " ON CONFLICT DO NOTHING"


def insert(connection: Connection, table: Table) -> postgresql.Insert:
    """Has `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases take in the same form."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]  # the same methods, and no common base
    return postgresql.insert(table)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Cells]) -> None:
    """Rows with the same columns in the same order."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_sqlite_insert(table, tuple(rows[0])), [tuple(row.values()) for row in rows])
    else:
        connection.execute(_from_arrays(table, rows))


def insert_new_rows(
    connection: Connection, table: Table, rows: Sequence[Cells], unique: Sequence[str]
) -> dict[int, int]:
    """Leaves out rows that break a unique constraint; returns the keys of the others, by their place in `rows`.

    Rows with the same columns in the same order, no two with the same `unique` ones. The table's column `key` counts
    up and is never used twice. SQLite: nobody else may write meanwhile.
    """
    if not rows:
        return {}
    if connection.dialect.name == "sqlite":
        return _insert_numbered(connection, table, rows)
    table_columns = [table.c.key, *(table.c[name] for name in unique)]
    statement = _from_arrays(table, rows).on_conflict_do_nothing().returning(*table_columns)
    places = {tuple(row[name] for name in unique): place for place, row in enumerate(rows)}
    return {places[tuple(stored)]: key for key, *stored in connection.execute(statement)}


def _insert_numbered(connection: Connection, table: Table, rows: Sequence[Cells]) -> dict[int, int]:
    """Gives the keys itself: with RETURNING, SQLAlchemy spells out a statement with a value for each cell."""
    first = (connection.execute(_NEWEST_KEY, {"table": table.name}).scalar_one_or_none() or 0) + 1
    statement = _sqlite_insert(table, ("key", *rows[0])) + _UNLESS_THERE
    connection.exec_driver_sql(statement, [(first + place, *row.values()) for place, row in enumerate(rows)])
    stored: Sequence[Row[int]] = connection.execute(select(table.c.key).where(table.c.key >= first)).all()
    return {row.key - first: row.key for row in stored}


@lru_cache(maxsize=64)
def _sqlite_insert(table: Table, names: tuple[str, ...]) -> str:
    """For tuples in this order: a mapping for each row takes SQLAlchemy longer than SQLite needs for the row."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table.name}" ({quoted}) VALUES ({", ".join("?" * len(names))})'  # noqa: S608


def _from_arrays(table: Table, rows: Sequence[Cells]) -> postgresql.Insert:
    """One array for each column: a statement with a value for each cell takes PostgreSQL's driver ten times as long."""
    columns: list[Column[Cell]] = [table.c[name] for name in rows[0]]
    arrays = [
        bindparam(f"{each.name}_values", list(values), type_=postgresql.ARRAY(each.type))
        for each, values in zip(columns, zip(*(row.values() for row in rows), strict=True), strict=True)
    ]
    source = func.unnest(*arrays).table_valued(*(column(each.name, each.type) for each in columns)).render_derived()
    return postgresql.insert(table).from_select([each.name for each in columns], select(source))
