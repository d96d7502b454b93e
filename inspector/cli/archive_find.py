"""`inspector archive find`: pieces as a table, or as JSON."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table

from inspector.archive.body import BodyError
from inspector.archive.find import Archive, PieceRow
from inspector.cli.archive_options import ARCHIVE_ERRORS, archive_of, filter_options, piece_filter
from inspector.cli.config_option import config_option
from inspector.cli.credentials import check_may, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import cell, printable_json
from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason

_COLUMNS = ("key", "entry", "line", "station", "piece", "product", "lot", "decision", "reason", "class", "score")


@click.command()
@config_option
@filter_options
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="Pieces shown at most.")
@click.option("--before", type=int, help="The next page: behind the piece with this key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--verdict", "whole", is_flag=True, help="With --json: the whole verdict, without heat maps.")
@token_file_option
@report_user_errors(*ARCHIVE_ERRORS, BodyError)
def find(
    config: Path,
    limit: int,
    before: int | None,
    as_json: bool,
    whole: bool,
    decisions: tuple[str, ...],
    token_file: Path | None,
    **values: object,
) -> None:
    """Finds pieces, newest first. Exit code 1 if there is none.

    \b
    inspector archive find --config service.toml --piece P-4711
    inspector archive find --config service.toml --class crack --since 2026-11-30T06:00 --json
    """
    check_may(config, "verdicts.find", token_file)
    with archive_of(config) as (_, database):
        archive = Archive(database)
        rows = archive.find(piece_filter(decisions, values), before, limit)
        if as_json:
            for row in rows:
                click.echo(printable_json(json.dumps(_object(archive, row, whole=whole), ensure_ascii=False)))
        elif rows:
            Console().print(_table(rows))
            if len(rows) == limit:
                click.echo(f"more with --before {rows[-1].key}")
    if not rows:
        click.echo("no piece found", err=True)
        raise SystemExit(1)


def _object(archive: Archive, row: PieceRow, *, whole: bool) -> dict[str, object]:
    values: dict[str, object] = asdict(row)
    values["decision"], values["reason"] = enum_word(Decision, row.decision), enum_word(DecisionReason, row.reason)
    if whole:
        verdict = archive.verdict(row.key)
        for image in verdict.images:
            image.ClearField("heat_map_png")
        values["verdict"] = MessageToDict(verdict, preserving_proto_field_name=True)
    return values


def _table(rows: list[PieceRow]) -> Table:
    table = Table(*_COLUMNS, header_style="bold")
    for row in rows:
        piece = row.piece_id if row.pass_number == 0 else f"{row.piece_id}#{row.pass_number}"
        score = "" if row.score is None else f"{row.score:.3f}"
        words = (enum_word(Decision, row.decision), enum_word(DecisionReason, row.reason))
        cells = (str(row.key), _moment(row.entry_ns), row.line, row.station, piece, row.product, row.lot, *words,
                 row.defect_class, score)  # fmt: skip
        table.add_row(*(cell(text).replace("[", r"\[") for text in cells))
    return table


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).astimezone().isoformat(" ", "milliseconds")[:23]
