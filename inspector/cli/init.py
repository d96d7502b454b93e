"""`inspector init`: writes the first recipe and service configuration of a bundle."""

from pathlib import Path

import click

from inspector.bundle.load import BundleError, load
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.config.service import load_service
from inspector.diagnostics.check_config import check
from inspector.diagnostics.starter import Starter, StarterError, write_starter
from inspector.recipe.problems import ConfigError


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--out", default=Path(), type=click.Path(path_type=Path), help="Folder of the two files. Default: this folder."
)
@click.option("--kafka", metavar="HOST:PORT", help="Use this broker. Default: a log in one file, without a broker.")
@click.option("--line", default="line-1", show_default=True, help="Name of the production line.")
@report_user_errors(BundleError, StarterError)
def init(bundle: Path, out: Path, kafka: str | None, line: str) -> None:
    """Writes recipe.toml and service.toml for BUNDLE: cameras, sensors, rates and windows as it was trained. Never
    overwrites a file.

    Example: inspector init bundles/cup --out cup-line
    """
    recipe, service = write_starter(load(bundle).schema, bundle, out, Starter(line, kafka))
    try:
        report = check(load_service(service))
    except ConfigError:  # an option is wrong: a second attempt finds no files in its way
        recipe.unlink()
        service.unlink()
        raise
    print_line(f"written: {recipe}, {service}")
    if report.problems:
        raise ConfigError(report.problems)
    print_line("next:")
    steps = [f"inspector check {service}", f"inspector serve --config {service}", "inspector watch"]
    if kafka is not None:
        steps.insert(1, f"inspector topics create --config {service}")
    for step in steps:
        print_line(f"  {step}")
