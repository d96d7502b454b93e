"""`inspector evaluate`: judges a data set with a bundle and reports the figures. Needs the serving half alone.

The tests of explanations and the model card need the training half, which is imported where they are asked for.
"""

from pathlib import Path

import click
from rich.console import Console
from rich.markdown import Markdown

from inspector.bundle.load import BundleError, load
from inspector.cli import missing_words
from inspector.cli.errors import report_user_errors
from inspector.cli.good_option import good_option
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.places import require_writable_file
from inspector.cli.printable import printable_lines
from inspector.cli.stages import stages
from inspector.dataset.manifest import Split
from inspector.evaluation.evaluate import evaluate as evaluate_bundle
from inspector.evaluation.evaluated import Evaluated
from inspector.evaluation.report import page, write_pieces, write_report
from inspector.report.from_evaluation import evaluation_content
from inspector.report.page import write_page

FolderOrFile = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=FolderOrFile)
@click.argument("manifest", type=MANIFEST)
@click.option("--split", type=click.Choice(("test", "calibration", "train")), default="test", show_default=True)
@click.option(
    "--false-rejects",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Report the miss rate at this share of good pieces held back.",
)
@click.option("--report", type=FolderOrFile, help="Folder for report.html, report.json and report.md.")
@click.option(
    "--recipe",
    type=FolderOrFile,
    help="Decide by this recipe. Default: a piece with a missing or partial recording goes to REVIEW.",
)
@click.option("--pieces", type=FolderOrFile, help="Write the verdict of every piece to this file.")
@good_option
@click.option(
    "--explanations", is_flag=True, help="Also test whether heat maps, regions and contributions explain the score."
)
@click.option("--card", is_flag=True, help="Write the figures into the model card of BUNDLE; replaces earlier ones.")
@report_user_errors(BundleError)
def evaluate(
    bundle: Path,
    manifest: Path,
    split: Split,
    false_rejects: float,
    report: Path | None,
    recipe: Path | None,
    pieces: Path | None,
    good: tuple[str, ...],
    explanations: bool,
    card: bool,
) -> None:
    """Judges one split of MANIFEST with BUNDLE, as the service would, and reports how well.

    Example: inspector evaluate bundles/cup line/manifest.jsonl --report report
    """
    loaded = load(bundle)
    if explanations or card:
        try:
            from inspector.cli import measuring
        except ModuleNotFoundError as exc:
            raise click.ClickException(missing_words("evaluate --explanations and --card", exc)) from exc
    require_writable_file(pieces)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)  # the answer to a wrong name comes before the work
    with stages() as shown:
        complete = evaluate_bundle(bundle, manifest, split, false_rejects, shown, recipe, good)
    evaluation = complete.report
    Console().print(Markdown(printable_lines(page(evaluation))))
    if report is not None:
        _write(complete, report)
    if pieces is not None:
        write_pieces(evaluation, pieces)
    explained = measuring.explained(bundle, manifest, split, report) if explanations else None
    if card:
        measuring.write_card(loaded, manifest, evaluation, explained)


def _write(complete: Evaluated, folder: Path) -> None:
    figures, readable = write_report(complete.report, folder)
    shown = write_page(evaluation_content(complete), folder / "report.html")
    click.echo(f"written to {figures}, {readable} and, to look at in a browser, {shown}")
