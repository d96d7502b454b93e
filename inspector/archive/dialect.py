"""The statements that SQLAlchemy spells per database: insert many rows, insert unless there, insert or update."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite

Cell = str | int | float | bytes | bool | None


def insert(connection: Connection, table: Table) -> postgresql.Insert:
    """Has `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases take in the same form."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]  # the same methods, and no common base
    return postgresql.insert(table)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Cell]]) -> None:
    """Rows with the same columns."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(table.insert(), rows)
    else:
        connection.execute(_from_arrays(table, rows))


def insert_new_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Cell]], returned: Sequence[ColumnElement[int]]
) -> Sequence[Row[*tuple[int, ...]]]:
    """Leaves out rows that break a unique constraint; returns columns of the others."""
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing().returning(*returned)
        return connection.execute(statement, rows).all()
    return connection.execute(_from_arrays(table, rows).on_conflict_do_nothing().returning(*returned)).all()


def _from_arrays(table: Table, rows: Sequence[Mapping[str, Cell]]) -> postgresql.Insert:
    """One array for each column: a statement with a value for each cell takes PostgreSQL's driver ten times as long."""
    columns: list[Column[Cell]] = [table.c[name] for name in rows[0]]
    arrays = [
        bindparam(f"{each.name}_values", [row[each.name] for row in rows], type_=postgresql.ARRAY(each.type))
        for each in columns
    ]
    source = func.unnest(*arrays).table_valued(*(column(each.name, each.type) for each in columns)).render_derived()
    return postgresql.insert(table).from_select([each.name for each in columns], select(source))
