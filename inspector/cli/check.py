"""`inspector check`: prints what a configuration means, and every problem with it."""

from pathlib import Path

import click

from inspector.cli.errors import report_user_errors
from inspector.cli.keys import explain_keys
from inspector.cli.printable import say
from inspector.config.service import load_service
from inspector.diagnostics.check_config import check as check_service
from inspector.recipe.problems import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--chunk-s", default=0.1, show_default=True, help="Length of the chunks that the sensors send.")
@click.option(
    "--keys", is_flag=True, help="Only lists every key that FILE may have: a configuration, recipe or train.toml."
)
@report_user_errors()
def check(file: Path, chunk_s: float, keys: bool) -> None:
    """Explains what FILE means: windows, latency budget, memory bound. Exit code 1 when something is wrong."""
    if keys:
        for line in explain_keys(file):
            say(line)
        return
    report = check_service(load_service(file), chunk_s)
    for line in report.lines:
        say(line)
    if report.problems:
        raise ConfigError(report.problems)
    click.echo("nothing wrong")
