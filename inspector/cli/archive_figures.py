"""`inspector archive figures`: yield, defect classes, people's findings, latency."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

from inspector.archive.figures import By, Figures, Scope
from inspector.cli.archive_options import (
    ARCHIVE_ERRORS,
    archive_of,
    line_option,
    product_option,
    since_option,
    station_option,
    until_option,
)
from inspector.cli.config_option import config_option
from inspector.cli.credentials import check_may, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import cell, printable_json

Cells = dict[str, object]
_SHIFT_S = 8 * 3600


@click.command()
@config_option
@since_option
@until_option
@line_option
@station_option
@product_option
@click.option("--by", "by_name", default="station", show_default=True, type=click.Choice([by.value for by in By]),
              help="One row for each of these.")  # fmt: skip
@click.option("--every", "every_h", type=click.FloatRange(min=0, min_open=True),
              help="One report for each so many hours, such as 8 for shifts.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each report.")
@token_file_option
@report_user_errors(*ARCHIVE_ERRORS)
def figures(
    config: Path,
    since_ns: int | None,
    until_ns: int | None,
    line: str | None,
    station: str | None,
    product: str | None,
    by_name: str,
    every_h: float | None,
    as_json: bool,
    token_file: Path | None,
) -> None:
    """Shows yield, defect classes, false rejects, escapes and latency; without times of the last 8 hours. What people
    found comes from their feedback: the newest finding about a piece counts.

    \b
    inspector archive figures --config service.toml --since 2026-11-30T06:00 --every 8 --by product
    """
    check_may(config, "figures.see", token_file)
    until_ns = time.time_ns() if until_ns is None else until_ns
    since_ns = until_ns - _SHIFT_S * 10**9 if since_ns is None else since_ns
    with archive_of(config) as (_, database):
        for start_ns, end_ns in _stretches(since_ns, until_ns, every_h):
            report = _report(Figures(database), Scope(start_ns, end_ns, line, station, product), By(by_name))
            if as_json:
                click.echo(printable_json(json.dumps(report._asdict(), ensure_ascii=False)))
            else:
                _show(report)


def _stretches(since_ns: int, until_ns: int, every_h: float | None) -> list[tuple[int, int]]:
    step_ns = until_ns - since_ns if every_h is None else round(every_h * 3600e9)
    if step_ns <= 0 or (until_ns - since_ns) // step_ns > 1000:
        raise click.UsageError("the time is empty, or --every makes more than 1,000 reports of it")
    return [(start, min(start + step_ns, until_ns)) for start in range(since_ns, until_ns, step_ns)]


class _Report(NamedTuple):
    since: str
    until: str
    decisions: list[Cells]
    classes: list[Cells]
    findings: list[Cells]
    latency: Cells


def _report(figures: Figures, scope: Scope, by: By) -> _Report:
    return _Report(
        _moment(scope.since_ns),
        _moment(scope.until_ns),
        [{**asdict(each), "pass_share": each.pass_share} for each in figures.decisions(scope, by)],
        [asdict(each) for each in figures.pareto(scope)],
        [
            {**asdict(each), "false_reject_share": each.false_reject_share, "escape_share": each.escape_share}
            for each in figures.findings(scope, by)
        ],
        asdict(figures.latency(scope)),
    )


def _moment(time_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(time_ns / 1e9))


def _show(report: _Report) -> None:
    console = Console()
    console.print(f"{report.since} to {report.until}", style="bold")
    for name, rows in (("decisions", report.decisions), ("classes", report.classes), ("findings", report.findings)):
        if rows:
            console.print(_table(name, rows))
    latency = (f"{name} {value}" for name, value in report.latency.items() if value is not None)
    console.print("latency: " + ", ".join(latency))


def _table(title: str, rows: Sequence[Cells]) -> Table:
    table = Table(*rows[0], title=title, header_style="bold", title_justify="left")
    for row in rows:
        table.add_row(*(cell(_text(value)).replace("[", r"\[") for value in row.values()))
    return table


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2%}"
    if isinstance(value, tuple):
        return " / ".join(map(str, value))
    return "" if value is None else str(value)
