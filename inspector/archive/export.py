"""Writes verdicts as Parquet files, one folder for each day, for DuckDB, pandas and others.

Reads page by page, so that neither memory nor a reader of the database grows with the number of verdicts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, RowMapping, select, tuple_

from inspector.archive.database import Database
from inspector.archive.metadata import stored_text
from inspector.archive.rows import PieceFilter
from inspector.archive.schema import VERDICTS
from inspector.archive.verdict_row import NS_PER_DAY
from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 10_000
_T = VERDICTS.c
_TEXTS = (
    "line", "station", "piece_id", "product", "lot", "recipe", "recipe_version", "bundle", "bundle_version",
    "bundle_digest", "engine", "route", "defect_class",
)  # fmt: skip
_INTEGERS = ("key", "pass_number", "deployment")
_REALS = ("score", "pass_below", "fail_above", "cost_ms")
_TIMES = ("entry", "capture", "arrival", "decision", "publish", "append")


class ExportError(Exception):
    """The export cannot be written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Exported:
    num_rows: int
    files: Sequence[Path]


def export(
    database: Database, folder: Path, piece_filter: PieceFilter, progress: Callable[[int], None] | None = None
) -> Exported:
    """Writes `day=YYYY-MM-DD/verdicts.parquet` for each day (UTC, of the entry) with a verdict; replaces files of
    these days. `progress` gets the number of rows so far. Raises ExportError, StoreError."""
    num_rows, files = 0, list[Path]()
    for day, pages in _days(database, piece_filter):
        path = folder / f"day={_date(day)}" / "verdicts.parquet"
        for rows in _write(path, pages):
            num_rows += rows
            if progress is not None:
                progress(num_rows)
        files.append(path)
    return Exported(num_rows, files)


Page = Sequence[RowMapping]


def _days(database: Database, piece_filter: PieceFilter) -> Iterator[tuple[int, Iterator[Page]]]:
    until_ns = 2**63 - 1 if piece_filter.until_ns is None else piece_filter.until_ns
    since_ns = -(2**63) if piece_filter.since_ns is None else piece_filter.since_ns
    while (first_ns := _first_since(database, piece_filter, since_ns)) is not None and first_ns < until_ns:
        day = first_ns // NS_PER_DAY
        next_ns = (day + 1) * NS_PER_DAY
        yield day, _pages(database, piece_filter, first_ns, min(next_ns, until_ns))
        since_ns = next_ns


def _first_since(database: Database, piece_filter: PieceFilter, since_ns: int) -> int | None:
    query = select(_T.entry_ns).where(_T.entry_ns >= since_ns, *_terms(piece_filter)).order_by(_T.entry_ns).limit(1)
    with database.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def _pages(database: Database, piece_filter: PieceFilter, since_ns: int, until_ns: int) -> Iterator[Page]:
    names = (*_TEXTS, *_INTEGERS, *_REALS, "decision", "reason", "deadline_missed", *(f"{name}_ns" for name in _TIMES))
    query = select(*(_T[name] for name in names)).where(
        _T.entry_ns >= since_ns, _T.entry_ns < until_ns, *_terms(piece_filter)
    )
    query = query.order_by(_T.entry_ns, _T.key).limit(ROWS_AT_ONCE)
    last = (since_ns, -1)
    while True:
        with database.read() as connection:
            page = connection.execute(query.where(tuple_(_T.entry_ns, _T.key) > tuple_(*last))).mappings().all()
        if page:
            yield page
        if len(page) < ROWS_AT_ONCE:
            return
        last = (page[-1]["entry_ns"], page[-1]["key"])


def _terms(piece_filter: PieceFilter) -> list[ColumnElement[bool]]:
    named = (
        (_T.line, piece_filter.line), (_T.station, piece_filter.station), (_T.product, piece_filter.product),
        (_T.lot, piece_filter.lot),
        (_T.piece_id, piece_filter.piece_id), (_T.defect_class, piece_filter.defect_class),
        (_T.bundle_digest, piece_filter.bundle_digest),
    )  # fmt: skip
    terms = [column == stored_text(value) for column, value in named if value is not None]
    if piece_filter.decisions:
        terms.append(_T.decision.in_(list(piece_filter.decisions)))
    if piece_filter.min_score is not None:
        terms.append(_T.score >= piece_filter.min_score)
    if piece_filter.max_score is not None:
        terms.append(_T.score <= piece_filter.max_score)
    return terms


def _write(path: Path, pages: Iterator[Page]) -> Iterator[int]:
    """The file appears whole. Yields the number of rows of each page."""
    parquet, schema = _parquet()
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            for page in pages:
                writer.write_table(_table(page, schema))
                yield len(page)
        part.replace(path)
    except OSError as exc:
        raise ExportError(
            f"{path} cannot be written ({exc.strerror or exc}): make room, or choose another folder"
        ) from exc
    finally:
        with suppress(OSError):
            part.unlink()


def _parquet() -> "tuple[pyarrow.parquet, pyarrow.Schema]":
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as exc:
        raise ExportError(
            "the export needs pyarrow, which is not installed: in the checkout, pip install '.[parquet]'"
        ) from exc
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    fields = [
        *((name, pyarrow.string() if name in ("piece_id", "lot") else word) for name in _TEXTS),
        *((name, pyarrow.int64()) for name in _INTEGERS),
        *((name, pyarrow.float64()) for name in _REALS),
        ("decision", word),
        ("reason", word),
        ("deadline_missed", pyarrow.bool_()),
        *((f"{name}_time", pyarrow.timestamp("ns", "UTC")) for name in _TIMES),
    ]
    return pyarrow.parquet, pyarrow.schema(fields)


def _table(page: Page, schema: "pyarrow.Schema") -> "pyarrow.Table":
    import pyarrow

    columns: dict[str, list[object]] = {name: [row[name] for row in page] for name in (*_TEXTS, *_INTEGERS, *_REALS)}
    columns["decision"] = [enum_word(Decision, row["decision"]) for row in page]
    columns["reason"] = [enum_word(DecisionReason, row["reason"]) for row in page]
    columns["deadline_missed"] = [row["deadline_missed"] for row in page]
    columns |= {f"{name}_time": [row[f"{name}_ns"] for row in page] for name in _TIMES}
    return pyarrow.table(columns, schema=schema)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
