"""`inspector archive judge-again`: kept pieces, judged by the bundle that judged them."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from inspector.archive.body import BodyError
from inspector.archive.find import Archive
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.archive.recordings.objects import ObjectStoreError
from inspector.archive.recordings.store import open_store
from inspector.archive.rows import PieceFilter
from inspector.cli.archive_options import ARCHIVE_ERRORS, archive_of, filter_options, piece_filter
from inspector.cli.config_option import config_option
from inspector.cli.credentials import check_may, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.config.service import load_service
from inspector.replay.judge_again import Judges, Report
from inspector.replay.judge_again import judge_again as judge_kept_pieces

PAGE = 500
MAX_LISTED = 20


@click.command("judge-again")
@config_option
@filter_options
@click.option(
    "--limit", default=500, show_default=True, type=click.IntRange(1), help="Kept pieces at most, newest first."
)
@token_file_option
@report_user_errors(*ARCHIVE_ERRORS, BodyError, ObjectStoreError)
def judge_again(
    config: Path, limit: int, decisions: tuple[str, ...], token_file: Path | None, **values: object
) -> None:
    """Judges kept pieces again, with the bundle and engine that judged them, and compares the verdicts: everything but
    times and costs, scores within 1e-6. Exit code 1 if one differs, or if no piece could be judged.

    \b
    inspector archive judge-again --config service.toml --since 2026-11-30T06:00
    """
    check_may(config, "archive.verify", token_file)
    service = load_service(config)
    with archive_of(config) as (_, database):
        archive = Archive(database)
        kept = KeptInputs(archive, open_store(service.config.recordings.settings, config.parent))
        keys = islice(_kept_keys(archive, piece_filter(decisions, values)), limit)
        report = judge_kept_pieces(keys, archive, kept, Judges(service))
    _show(report)
    if report.different or not report.verdicts:
        raise SystemExit(1)


def _kept_keys(archive: Archive, piece_filter: PieceFilter) -> Iterator[int]:
    before: int | None = None
    while rows := archive.find(piece_filter, before, PAGE):
        for row in rows:
            if any(recording.sha256 for recording in archive.recordings(row.key)):
                yield row.key
        before = rows[-1].key


def _show(report: Report) -> None:
    for again in report.different[:MAX_LISTED]:
        print_line(f"{again.key} {again.piece}: {'; '.join(again.differences)}")
    for reason, count in Counter(report.skipped.values()).most_common(MAX_LISTED):
        print_line(f"{count} not judged: {reason}")
    click.echo(
        f"{len(report.verdicts)} judged again, {len(report.different)} different, {report.num_bit_equal} equal to the "
        f"last bit; scores differ by at most {report.largest_score_difference:.2g}"
    )
