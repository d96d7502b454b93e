"""Decodes a CSV file of samples: a row an instant, a column a channel, as measuring cards and spreadsheets write it.

Commas, semicolons, tabs or blanks between columns; decimal points or commas; with or without names; lines before the
names are passed over. A first column of times is not a channel: it states the sample rate.
"""

import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.sample_files import Decoded, SampleFileError

MAX_CSV_BYTES = 256 * 2**20
_RATE_TOLERANCE = 0.01
"""Times are written with few digits."""
_STEP_TOLERANCE = 0.5
"""Share of the usual step by which steps between times may differ."""
_MAX_PREAMBLE = 200
"""Lines before the samples."""
_TIME = re.compile(r"(t|time|zeit|timestamp|sec|secs|seconds|sekunden|s)(?![a-z0-9]).*", re.IGNORECASE)
_UNITS = ((re.compile(r"[\[(_ /](us|µs|μs)\b"), 1e-6), (re.compile(r"[\[(_ /]ms\b"), 1e-3))
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_SEPARATORS = (";", "\t", ",", None)
"""None: blanks."""


@dataclass(frozen=True)
class _Table:
    names: tuple[str, ...]
    """Of the channels; empty without a line of names."""
    values: NDArray[np.float64]
    """Of the channels."""
    times: NDArray[np.float64] | None = None
    times_name: str = ""


def decode_csv(data: bytes, columns: Sequence[str] = ()) -> Decoded:
    """float32 as written, (samples, channels): these columns, or all but the time. Without names, columns are 1, 2, ...

    Raises SampleFileError, for times that do not rise evenly too, unless columns are given.
    """
    if len(data) > MAX_CSV_BYTES:
        raise SampleFileError(f"has {len(data)} bytes, expected at most {MAX_CSV_BYTES}; save it as .npy")
    table = _table(_text(data).splitlines())
    names = table.names or tuple(map(str, range(1, table.values.shape[1] + 1)))
    chosen = [_index(names, column) for column in columns]
    try:
        rate_hz = None if table.times is None else _rate_hz(table.times_name, table.times)
    except SampleFileError:
        if not columns:
            raise
        rate_hz = None
    values = table.values[:, chosen] if chosen else table.values
    with np.errstate(over="ignore"):
        return Decoded(np.ascontiguousarray(values, np.float32), rate_hz, _RATE_TOLERANCE)


def _text(data: bytes) -> str:
    if b"\0" in data[:4] or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SampleFileError("is UTF-16; save it as UTF-8 (Excel: 'CSV UTF-8')")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # names with a degree sign, from a measuring card


def _table(lines: Sequence[str]) -> _Table:
    first, separator = _first_row(lines)
    rows = [line.strip() for line in lines[first:] if line.strip()]
    if separator is not None and rows[0].endswith(separator):
        rows = [row.removesuffix(separator) for row in rows]
    width = len(_cells(rows[0], separator))
    names = next((_cells(line, separator) for line in lines[:first] if _is_header(line, separator, width)), [])
    if separator == "," and not names:
        _refuse_decimal_commas(rows, width)
    stamps = None
    if separator is not None and _is_stamp(_cells(rows[0], separator)[0]):
        stamps = _stamps([row.partition(separator)[0] for row in rows], first)
        rows = [row.partition(separator)[2] for row in rows]
    values = _numbers(rows, separator, first)
    if stamps is not None:
        return _Table(tuple(names[1:]), values, stamps, "date")
    if names and width > 1 and _TIME.fullmatch(names[0]):
        return _Table(tuple(names[1:]), values[:, 1:], values[:, 0], names[0])
    return _Table(tuple(names), values)


def _numbers(rows: Sequence[str], separator: str | None, first: int) -> NDArray[np.float64]:
    body = "\n".join(rows).replace('"', "")
    if separator != ",":
        body = body.replace(",", ".")
    try:
        return np.loadtxt(io.StringIO(body), np.float64, comments=None, delimiter=separator, ndmin=2)
    except ValueError as exc:
        width = len(_cells(rows[0], separator))
        number, row = _first_bad(rows, separator, width)
        raise SampleFileError(
            f"has a row that is no {width} numbers: {row[:40]!r}, row {number} of those from line {first + 1} on; "
            "correct or remove it"
        ) from exc


def _first_bad(rows: Sequence[str], separator: str | None, width: int) -> tuple[int, str]:
    """Number, from 1, and text of the first row that is none of samples."""
    for number, row in enumerate(rows, 1):
        cells = [cell.strip().strip('"') for cell in row.split(separator)]
        if len(cells) != width or not _are_numbers(cells):
            return number, row
    return 1, rows[0]


def _is_stamp(cell: str) -> bool:
    """Whether it is a date with a time, as in ISO 8601."""
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return False
    return not cell.isdigit() and ":" in cell


def _stamps(cells: Sequence[str], first: int) -> NDArray[np.float64]:
    """Seconds since the first."""
    try:
        moments = [datetime.fromisoformat(cell.strip().strip('"')) for cell in cells]
        return np.array([(moment - moments[0]).total_seconds() for moment in moments])
    except (ValueError, TypeError) as exc:
        raise SampleFileError(
            f"has a row without a date like the others, counted from line {first + 1} ({exc}); correct that line"
        ) from exc


def _first_row(lines: Sequence[str]) -> tuple[int, str | None]:
    """Index of the first line of numbers, and what separates its columns."""
    for index, line in enumerate(lines[:_MAX_PREAMBLE]):
        for separator in (mark for mark in _SEPARATORS if mark is None or mark in line):
            cells = _cells(line, separator)
            if cells and _are_samples(cells) and not (separator == "," and _is_decimal_comma(lines[:index], line)):
                return index, separator
    raise SampleFileError(
        f"has no line of numbers among its first {_MAX_PREAMBLE}; expected one row an instant, one column a channel"
    )


def _cells(line: str, separator: str | None) -> list[str]:
    """A last separator without a cell behind it is passed over."""
    cells = [cell.strip().strip('"').strip() for cell in line.strip().split(separator)]
    return cells[:-1] if len(cells) > 1 and not cells[-1] else cells


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(_NUMBER.fullmatch(cell) for cell in cells)


def _are_samples(cells: Sequence[str]) -> bool:
    """Numbers, the first of which may be a date instead."""
    return _are_numbers(cells) or (len(cells) > 1 and _is_stamp(cells[0]) and _are_numbers(cells[1:]))


def _is_decimal_comma(before: Sequence[str], line: str) -> bool:
    """Whether `1,5` under a single name is one number."""
    named = [text for text in before if text.strip()]
    return bool(named) and line.count(",") == 1 and "," not in named[-1]


def _is_header(line: str, separator: str | None, width: int) -> bool:
    cells = _cells(line, separator)
    return len(cells) == width and not _are_samples(cells) and all(cells)


def _refuse_decimal_commas(lines: Sequence[str], width: int) -> None:
    """`1,5` may be one number or two; with a zero before its last digits, as in `0,529,0,097`, it is one."""
    some = [line.strip() for line in lines[:1000] if line.strip()]
    if width == 2 and all(re.fullmatch(r"[+-]?\d+,\d+", line) for line in some):
        raise SampleFileError(
            f"has lines such as {some[0][:40]!r}: one number with a decimal comma, or two; write names above the "
            "columns, or ; between them"
        )
    if width % 2 or any(mark in line for line in some for mark in ".eE"):
        return
    cut = next((line for line in some if any(re.fullmatch(r"0\d+", cell) for cell in _cells(line, ",")[1::2])), None)
    if cut is not None:
        raise SampleFileError(
            f"has lines such as {cut[:40]!r}: with decimal commas, and commas between the columns too; write ; between "
            "the columns, or decimal points"
        )


def _rate_hz(name: str, times: NDArray[np.float64]) -> float | None:
    """Of a column of times. Raises SampleFileError where they do not rise evenly."""
    if len(times) < 2 or not np.isfinite(times).all():
        return None
    unit_s = next((factor for unit, factor in _UNITS if unit.search(name)), 1.0)
    mean = float(times[-1] - times[0]) / (len(times) - 1)
    uneven = _uneven(times, mean)
    if mean <= 0 or len(uneven):
        row = int(uneven[0]) if len(uneven) else 1
        raise SampleFileError(
            f"has times ({name}) that do not rise evenly, first at sample {row}: {times[row]:g} after "
            f"{times[row - 1]:g}; samples are missing or doubled: resample it, or leave the piece out"
        )
    return float(f"{1 / (mean * unit_s):.4g}")


def _uneven(times: NDArray[np.float64], mean: float) -> NDArray[np.intp]:
    """Indices of times that come too early or too late."""
    steps = np.diff(times)
    usual = float(np.median(steps))
    digits = float(np.min(np.abs(steps[steps != 0]), initial=np.inf))
    if digits > mean or usual == 0:  # so few digits that several samples have one time
        ideal = times[0] + mean * np.arange(len(times))
        return np.flatnonzero(np.abs(times - ideal) > 2 * digits)
    return np.flatnonzero(np.abs(steps - usual) > _STEP_TOLERANCE * abs(usual)) + 1


def _index(names: Sequence[str], column: str) -> int:
    if column in names:
        return names.index(column)
    near = difflib.get_close_matches(column, names, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'no names'}"
    raise SampleFileError(f"has no column {column!r}; {known}")
