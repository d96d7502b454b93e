"""`inspector archive verify` and `rebuild`: the archive against the log."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from inspector.archive.compare import Difference
from inspector.archive.rebuild import rebuild as rebuild_verdicts
from inspector.archive.rebuild import rebuild_findings
from inspector.archive.rebuild import verify as verify_verdicts
from inspector.cli.archive_options import ARCHIVE_ERRORS, archive_of
from inspector.cli.config_option import config_option
from inspector.cli.credentials import check_may, recorded, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.config.opening import open_log_briefly

MAX_LISTED = 100


@click.command()
@config_option
@token_file_option
@report_user_errors(*ARCHIVE_ERRORS)
def verify(config: Path, token_file: Path | None) -> None:
    """Compares every verdict that the log holds with its rows in the archive, and lists what differs. Exit code 1 if
    anything does. The service may run on meanwhile.

    \b
    inspector archive verify --config service.toml
    """
    check_may(config, "archive.verify", token_file)
    listed: list[Difference] = []

    def show(difference: Difference) -> None:
        listed.append(difference)
        if len(listed) <= MAX_LISTED:
            source = difference.source
            place = f"{source.topic}/{source.partition}@{difference.offset}"
            print_line(f"{difference.kind.value:9} {place} {difference.detail}")

    with (
        archive_of(config) as (service, database),
        closing(open_log_briefly(config, service)) as log,
        _bar("verify") as progress,
    ):
        tally = verify_verdicts(log, database, show, progress)
    if len(listed) > MAX_LISTED:
        click.echo(f"... and {len(listed) - MAX_LISTED} more")
    click.echo(f"{tally.equal} equal, {len(listed)} different, {tally.pending} not archived yet, "
               f"{tally.removed} removed by retention")  # fmt: skip
    if not tally.is_clean:
        click.echo("'inspector archive rebuild' makes these rows again from the log", err=True)
        raise SystemExit(1)


@click.command()
@config_option
@token_file_option
@report_user_errors(*ARCHIVE_ERRORS)
def rebuild(config: Path, token_file: Path | None) -> None:
    """Makes the archive's rows again from the verdicts, the feedback and the deployments that the log holds. Keys stay,
    and so do rows that are older than the log. The service may run on meanwhile.

    \b
    inspector archive rebuild --config service.toml
    """
    with (
        recorded(config, "archive.change", "rebuild", token_file),
        archive_of(config) as (service, database),
        closing(open_log_briefly(config, service)) as log,
    ):
        with _bar("rebuild") as progress:
            repairs = rebuild_verdicts(log, database, progress)
        num_findings = rebuild_findings(log, database)
    click.echo(f"{repairs.added} verdicts added, {repairs.changed} changed, {repairs.removed} removed; "
               f"{num_findings} feedback messages added")  # fmt: skip
    if repairs.held:
        click.echo(f"{repairs.held} verdicts that the log does not have stay: a review or a data set needs them")


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, whole: bars.update(task, completed=done, total=whole)
