"""The metadata that all tables of the archive share, and the column types that both databases know."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Text, TextClause
from sqlalchemy.dialects.postgresql import BYTEA

METADATA = MetaData(
    naming_convention={
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
        "uq": "%(table_name)s_once_%(column_0_N_name)s",
        "fk": "%(table_name)s_%(column_0_name)s_in_%(referred_table_name)s",
        "pk": "%(table_name)s_key",
    }
)
"""Names of indexes and constraints follow from their columns, so that a migration can name them."""

KEY = BigInteger().with_variant(Integer, "sqlite")
"""A running number; SQLite numbers only columns of the type INTEGER."""
NUMBER = BigInteger()
"""Any integer of the wire, and every time in nanoseconds since the Unix epoch."""
REAL = Float(53)
BYTES = LargeBinary().with_variant(BYTEA(), "postgresql")
TEXT = Text()
MAX_TEXT = 256
"""Characters of a text that is looked up: an index entry of PostgreSQL has some 2,700 bytes of room, and a foreign
verdict may hold any text."""


def stored_text(value: str, limit: int = MAX_TEXT) -> str:
    """The text as it is stored and looked up: without NUL, which PostgreSQL refuses, and of bounded length."""
    if len(value) <= limit and "\x00" not in value:
        return value
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:limit]


def partial_index(
    name: str,
    *columns: Column[int] | Column[str],
    where: TextClause,
    unique: bool = False,
    include: Sequence[str] = (),
) -> Index:
    """An index of the rows for which `where` holds. `include`: columns that PostgreSQL reads from it as well."""
    return Index(
        name,
        *columns,
        unique=unique,
        sqlite_where=where,
        postgresql_where=where,
        postgresql_include=list(include),
    )


def inspection_columns() -> tuple[Column[str], Column[str], Column[str], Column[int]]:
    """New columns that name an inspection, as every table of pieces has them."""
    return (
        Column("line", TEXT, nullable=False),
        Column("station", TEXT, nullable=False),
        Column("piece_id", TEXT, nullable=False),
        Column("pass_number", NUMBER, nullable=False),
    )
