"""`inspector doctor`: lists what this machine can run, with remedies."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.cli.printable import printable_lines
from inspector.diagnostics.doctor import Finding, examine

_MARKS = {"wrong": "[red]no[/]", "ok": "[green]ok[/]", "optional": "[dim]--[/]"}
"""In the order in which they are listed."""


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
    click.echo(summary(findings))
    Console().print(_table(findings))
    if any(finding.state == "wrong" for finding in findings):
        raise SystemExit(1)


def summary(findings: Sequence[Finding]) -> str:
    """First of all, whether all is well."""
    wrong = [finding.subject for finding in findings if finding.state == "wrong"]
    optional = sum(finding.state == "optional" for finding in findings)
    if wrong:
        return f"The service cannot run here as it is: {', '.join(map(printable_lines, wrong))}."
    more = f" {optional} row(s) marked -- are not needed to judge pieces." if optional else ""
    return f"All is well: the service runs here.{more}"


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("", "what", "found", "what helps")
    for finding in sorted(findings, key=lambda finding: list(_MARKS).index(finding.state)):
        texts = (finding.subject, finding.detail, finding.remedy)
        table.add_row(_MARKS[finding.state], *(Text(printable_lines(text)) for text in texts))
    return table
