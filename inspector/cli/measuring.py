"""What `inspector evaluate` adds with the training half: tests of explanations, and figures in the model card."""

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from inspector.bundle.card import write_section
from inspector.bundle.load import LoadedBundle
from inspector.cli.printable import printable_lines
from inspector.dataset.manifest import Split
from inspector.evaluation.explanations.evaluate import Explanations, explain
from inspector.evaluation.explanations.page import explanation_page, write_explanations
from inspector.evaluation.measured import MEASURED, measured, origin
from inspector.evaluation.report import Report


def explained(bundle: Path, manifest: Path, split: Split, report: Path | None) -> Explanations:
    """Prints what the tests of explanations say, and writes it into the folder `report`."""
    explanations = explain(bundle, manifest, split)
    Console().print(Markdown(printable_lines(explanation_page(explanations))))
    if report is not None:
        click.echo(f"written to {' and '.join(map(str, write_explanations(explanations, report)))}")
    return explanations


def write_card(loaded: LoadedBundle, manifest: Path, report: Report, explanations: Explanations | None) -> None:
    source = origin("inspector evaluate --card", manifest, report.split, datetime.now(UTC).date())
    write_section(loaded, MEASURED, measured(source, report, loaded.schema, explanations))
    click.echo(f"the model card of {loaded.folder} now holds these figures")
