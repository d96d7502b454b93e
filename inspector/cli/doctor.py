"""`inspector doctor`: lists what this machine can run, with remedies."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.cli.printable import printable_lines
from inspector.diagnostics.doctor import Finding, examine

_MARKS = {"ok": "[green]ok[/]", "optional": "[yellow]no[/]", "wrong": "[red]no[/]"}


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Also connect to the log and check the bundles of this configuration.",
)
def doctor(bundle: Path | None, config: Path | None) -> None:
    """Lists what this machine can run, and which variants of BUNDLE. Exit code 1 if the service cannot run here.

    Example: inspector doctor bundles/cup --config service.toml
    """
    findings = examine(config, bundle)
    Console().print(_table(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "found", "what helps")
    for finding in findings:
        texts = (finding.subject, finding.detail, finding.remedy)
        table.add_row(_MARKS[finding.state], *(Text(printable_lines(text)) for text in texts))
    return table
