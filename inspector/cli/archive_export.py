"""`inspector archive export`: verdicts as Parquet files."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from inspector.archive.export import ExportError
from inspector.archive.export import export as write_parquet
from inspector.cli.archive_options import ARCHIVE_ERRORS, archive_of, filter_options, piece_filter
from inspector.cli.config_option import config_option
from inspector.cli.credentials import recorded, token_file_option
from inspector.cli.errors import report_user_errors


@click.command()
@config_option
@click.option(
    "--out", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write."
)
@filter_options
@token_file_option
@report_user_errors(*ARCHIVE_ERRORS, ExportError)
def export(config: Path, folder: Path, decisions: tuple[str, ...], token_file: Path | None, **values: object) -> None:
    """Writes the verdicts as Parquet files, a folder for each day (UTC). Files of the same days are replaced.

    \b
    inspector archive export --config service.toml --since 2026-11-01T00:00 --out verdicts
    duckdb -c "SELECT station, decision, count(*) FROM 'verdicts/*/*.parquet' GROUP BY ALL"
    """
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} verdicts"))
    with (
        recorded(config, "archive.export", str(folder), token_file),
        archive_of(config) as (_, database),
        Progress(*columns, console=Console(stderr=True)) as bars,
    ):
        task = bars.add_task("export", total=None)
        exported = write_parquet(
            database, folder, piece_filter(decisions, values), lambda done: bars.update(task, completed=done)
        )
    click.echo(f"{exported.num_rows} verdicts of {len(exported.files)} days in {folder}")
