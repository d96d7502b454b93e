"""Data sets hold their pieces in the archive; this lets go of them."""

from pathlib import Path

from sqlalchemy import delete, select

from inspector.archive.database import Database
from inspector.archive.schema import HOLDS

HOLDER = "dataset"


class UnknownDatasetError(Exception):
    """The archive holds nothing for this data set; the message names those it knows."""


def hold_name(folder: Path) -> str:
    """Under which the pieces of a data set are held: two folders may have one name."""
    return str(folder.resolve())


def held_datasets(database: Database) -> list[str]:
    """Raises StoreError."""
    query = select(HOLDS.c.name).where(HOLDS.c.holder == HOLDER).distinct().order_by(HOLDS.c.name)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def release(database: Database, name: str) -> int:
    """Retention may remove the pieces of the data set then, unless something else holds them; returns their number.
    `name` is its folder, or as `held_datasets` lists it. Raises UnknownDatasetError, StoreError."""
    names = (name, hold_name(Path(name)))
    with database.write() as connection:
        gone = connection.execute(delete(HOLDS).where(HOLDS.c.holder == HOLDER, HOLDS.c.name.in_(names))).rowcount
    if gone == 0:
        known = ", ".join(held_datasets(database)) or "none"
        raise UnknownDatasetError(f"the archive holds no pieces for the data set {name}; it does for: {known}")
    return int(gone)
