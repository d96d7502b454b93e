"""Writes the other records of the log: dead letters as counts, people's findings, deployments."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table

from inspector.archive.dialect import insert
from inspector.archive.items import Deployed, Finding, Letter
from inspector.archive.metadata import stored_text
from inspector.archive.positions import topic_ids
from inspector.archive.schema import ID_CONFLICTS
from inspector.archive.tables_log import DEAD_LETTERS, DEPLOYMENTS, FEEDBACK
from protos.inspection.v1.records_pb2 import DeadLetterReason

NS_PER_MINUTE = 60 * 10**9
MAX_EXAMPLE = 500
MAX_NOTE = 4096
"""Characters; the gateway takes no longer note."""
MAX_ID = 128
MAX_DEFECTS = 100


@dataclass
class _Count:
    count: int
    example: str


def count_letters(connection: Connection, letters: Sequence[Letter]) -> int:
    """Adds to the minutes' counts: call it with each letter once."""
    counts: dict[tuple[str, str, int, int], _Count] = {}
    for letter in letters:
        minute_ns = letter.append_ns // NS_PER_MINUTE * NS_PER_MINUTE
        place = (stored_text(letter.line), stored_text(letter.message.station), letter.message.reason, minute_ns)
        example = stored_text(letter.message.detail, MAX_EXAMPLE)
        counts.setdefault(place, _Count(0, example)).count += 1
    if counts:
        _add_counts(connection, counts)
    _note_conflicts(connection, letters)
    return len(letters)


def _add_counts(connection: Connection, counts: dict[tuple[str, str, int, int], _Count]) -> None:
    statement = insert(connection, DEAD_LETTERS)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(DEAD_LETTERS.primary_key),
            set_={"count": DEAD_LETTERS.c.count + statement.excluded.count},
        ),
        [
            {"line": line, "station": station, "reason": reason, "minute_ns": minute_ns,
             "count": counted.count, "example": counted.example}
            for (line, station, reason, minute_ns), counted in sorted(counts.items(), key=lambda item: item[0])
        ],
    )  # fmt: skip


def _note_conflicts(connection: Connection, letters: Iterable[Letter]) -> None:
    rows: dict[tuple[str | int, ...], dict[str, str | int | float]] = {}
    for letter in letters:
        if letter.message.reason == DeadLetterReason.DEAD_LETTER_REASON_ID_READ_TWICE:
            named = letter.message.inspection
            row: dict[str, str | int] = {"line": stored_text(named.line), "station": stored_text(named.station),
                   "piece_id": stored_text(named.piece_id), "pass_number": named.pass_number}  # fmt: skip
            rows[tuple(row.values())] = {**row, "append_ns": letter.append_ns}
    _upsert(connection, ID_CONFLICTS, list(rows.values()))


def insert_findings(connection: Connection, findings: Sequence[Finding]) -> int:
    if not findings:
        return 0
    topics = topic_ids(connection, {finding.source.topic for finding in findings})
    statement = insert(connection, FEEDBACK).on_conflict_do_nothing().returning(FEEDBACK.c.key)
    rows = [{"topic_id": topics[finding.source.topic], **_finding(finding)} for finding in findings]
    return len(connection.execute(statement, rows).all())


def _finding(finding: Finding) -> dict[str, str | int]:
    message, named = finding.message, finding.message.inspection
    return {
        "partition": finding.source.partition,
        "offset": finding.offset,
        "append_ns": finding.append_ns,
        "line": stored_text(named.line),
        "station": stored_text(named.station),
        "piece_id": stored_text(named.piece_id),
        "pass_number": named.pass_number,
        "label": message.label,
        "defects": json.dumps([stored_text(name) for name in message.defects[:MAX_DEFECTS]]),
        "author": stored_text(message.author),
        "note": stored_text(message.note, MAX_NOTE),
        "given_ns": message.given_ns,
        "id": stored_text(message.id, MAX_ID),
        "author_proof": stored_text(message.author_proof),
    }


def upsert_deployments(connection: Connection, deployments: Sequence[Deployed]) -> int:
    """The last record of a number counts, as on the topic."""
    rows = {(item.line, item.message.number): _deployment(item) for item in deployments}
    _upsert(connection, DEPLOYMENTS, list(rows.values()))
    return len(deployments)


def _deployment(item: Deployed) -> dict[str, str | int | float]:
    message = item.message
    return {
        "line": stored_text(item.line),
        "number": message.number,
        "recipe": stored_text(message.recipe),
        "folder": stored_text(message.folder),
        "bundle": stored_text(message.bundle),
        "version": stored_text(message.version),
        "digest": stored_text(message.digest),
        "mode": message.mode,
        "share": message.share if math.isfinite(message.share) else 0.0,
        "stations": json.dumps([stored_text(name) for name in message.stations]),
        "deployed_ns": message.deployed_ns,
        "deployed_by": stored_text(message.by),
        "reason": stored_text(message.reason, MAX_NOTE),
        "rolls_back": message.rolls_back,
        "previous": message.previous,
        "withdrawn": stored_text(message.cancelled_reason, MAX_NOTE),
        "append_ns": item.append_ns,
    }


def _upsert(connection: Connection, table: Table, rows: Sequence[dict[str, str | int | float]]) -> None:
    if not rows:
        return
    statement = insert(connection, table)
    keys = set(table.primary_key)
    changed = {column.name: statement.excluded[column.name] for column in table.c if column not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed),
        sorted(rows, key=lambda row: [str(row[column.name]) for column in table.primary_key]),
    )
