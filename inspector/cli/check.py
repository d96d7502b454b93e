"""`inspector check`: explains a configuration, and lists its problems."""

from pathlib import Path

import click

from inspector.cli.errors import report_user_errors
from inspector.cli.keys import explain_keys
from inspector.cli.printable import print_line
from inspector.config.service import load_service
from inspector.diagnostics.check_config import check as check_service
from inspector.recipe.problems import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--chunk-s", default=0.1, show_default=True, help="Seconds of signal per chunk that the sensors send.")
@click.option(
    "--keys",
    is_flag=True,
    help="Only list the keys that FILE may have. FILE is a configuration, a recipe or a train.toml.",
)
@report_user_errors()
def check(file: Path, chunk_s: float, keys: bool) -> None:
    """Explains the configuration FILE: time windows, latency budget, memory bound. Lists its problems; exit code 1 if
    there are any.

    Example: inspector check service.toml
    """
    if keys:
        for line in explain_keys(file):
            print_line(line)
        return
    report = check_service(load_service(file), chunk_s)
    for line in report.lines:
        print_line(line)
    if report.problems:
        raise ConfigError(report.problems)
    click.echo("nothing wrong")
