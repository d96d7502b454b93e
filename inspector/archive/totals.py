"""How many verdicts the archive holds, and their bytes.

Kept up to date where rows are added and removed, so that nobody has to count millions of rows.
"""

from typing import NamedTuple

from sqlalchemy import Connection, select

from inspector.archive.dialect import insert
from inspector.archive.schema import TOTALS

_ID = 1


class Totals(NamedTuple):
    """Of all verdicts."""

    verdicts: int
    stored_bytes: int
    """Of bodies and heat maps."""


def totals(connection: Connection) -> Totals:
    row = connection.execute(select(TOTALS.c.verdicts, TOTALS.c.stored_bytes)).first()
    return Totals(0, 0) if row is None else Totals(*row)


def change_totals(connection: Connection, verdicts: int, stored_bytes: int) -> None:
    """Adds to them; call it last in a transaction, as it locks the row."""
    statement = insert(connection, TOTALS).values(id=_ID, verdicts=verdicts, stored_bytes=stored_bytes)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[TOTALS.c.id],
            set_={
                "verdicts": TOTALS.c.verdicts + statement.excluded.verdicts,
                "stored_bytes": TOTALS.c.stored_bytes + statement.excluded.stored_bytes,
            },
        )
    )
