"""`inspector doctor`: says what this machine can run, and for each thing that it cannot, what would help."""

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
    "--config", type=click.Path(path_type=Path), help="Also try to reach its log, and look at the bundles it names."
)
def doctor(bundle: Path | None, config: Path | None) -> None:
    """Says what this machine can run, of BUNDLE too, and why not. Exit code 1 when the service itself cannot run."""
    findings = examine(config, bundle)
    Console().print(_table(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table("", "what", "found", "what helps")
    for finding in findings:
        words = (finding.subject, finding.detail, finding.remedy)
        table.add_row(_MARKS[finding.state], *(Text(printable_lines(text)) for text in words))
    return table
