"""`inspector train`, `evaluate` and `export`: the commands of the training half.

The command line imports this module only when one of these is called, so that serving starts without torch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from pydantic import ValidationError
from rich.console import Console
from rich.markdown import Markdown

from inspector.bundle.card import write_section
from inspector.bundle.load import BundleError, load
from inspector.cli.errors import report_user_errors
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.places import require_writable, require_writable_file
from inspector.cli.printable import print_line, printable_lines
from inspector.cli.stages import stages
from inspector.dataset.manifest import Split
from inspector.evaluation.evaluate import evaluate as evaluate_bundle
from inspector.evaluation.explanations.evaluate import Explanations, explain
from inspector.evaluation.explanations.page import explanation_page, write_explanations
from inspector.evaluation.measured import MEASURED, measured, origin
from inspector.evaluation.report import page, write_pieces, write_report
from inspector.parity.report import few
from inspector.parity.schema import ENOUGH_PIECES, ParityError
from inspector.training.advice import Advice, StrictError, write_training_report
from inspector.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from inspector.training.config import TrainConfig, TrainConfigError, read_train_config
from inspector.training.experts.lora import LoraError
from inspector.training.export import ExportError, TrainedBundle, require_place, write_bundle
from inspector.training.parity_set import Sampling, add_parity_set
from inspector.training.train import train as train_draft
from inspector.training.trainer import TrainOptions

FolderOrFile = click.Path(path_type=Path)
WARNED = 3
"""Exit code of a command that warned under `--strict`."""


@contextmanager
def report_training_errors() -> Iterator[None]:
    """Reports errors of the training half that a user can fix, and those of the other commands."""
    try:
        with report_user_errors():
            yield
    except (BundleError, CheckpointError, ExportError, LoraError, ParityError, TrainConfigError) as exc:
        raise click.ClickException(str(exc)) from exc


parity_pieces_option = click.option(
    "--parity-pieces",
    default=ENOUGH_PIECES,
    show_default=True,
    type=click.IntRange(min=1),
    help="Calibration pieces to store in the bundle. Engines must decide on them as torch does. It takes 1497 pieces "
    "to prove that at most 0.2 % of the decisions differ.",
)


good_option = click.option(
    "--good",
    multiple=True,
    metavar="NAME",
    help="Class that counts as good, for a manifest without pieces labelled ok; repeatable.",
)
strict_option = click.option(
    "--strict", is_flag=True, help="If there is a warning, write no bundle and end with exit code 3."
)
report_option = click.option(
    "--report", type=FolderOrFile, help="Write findings and warnings to this JSON file, with --strict too."
)


@contextmanager
def strictly(report: Path | None) -> Iterator[None]:
    """Turns warnings under `--strict` into exit code 3."""
    try:
        yield
    except StrictError as exc:
        print_warnings(exc.warnings)
        if report is not None:
            write_training_report(report, (), exc.warnings)
        click.echo("nothing is written: --strict allows no warning", err=True)
        raise click.exceptions.Exit(WARNED) from exc


def print_warnings(warnings: Sequence[Advice]) -> None:
    if warnings:
        print_line(f"{len(warnings)} warning(s):")
    for warning in warnings:
        print_line(f"- {warning}")


@click.command()
@click.argument("manifest", type=MANIFEST)
@click.option("--out", "bundle", required=True, type=FolderOrFile, help="Folder of the bundle; replaced if it is one.")
@click.option("--config", type=FolderOrFile, help="Training configuration (TOML). Default: chosen to fit the data.")
@click.option("--seed", default=0, show_default=True, help="Equal seeds give equal results.")
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs of every encoder, in place of the configuration's.")
@click.option(
    "--weights", multiple=True, metavar="NAME=FILE", help="Local safetensors file of a timm model; repeatable."
)
@good_option
@click.option("--checkpoint", type=FolderOrFile, help="Also save the weights here, for `export`, `adapt` and `distil`.")
@strict_option
@report_option
@parity_pieces_option
@report_training_errors()
def train(
    manifest: Path,
    bundle: Path,
    config: Path | None,
    seed: int,
    epochs: int | None,
    weights: tuple[str, ...],
    good: tuple[str, ...],
    checkpoint: Path | None,
    strict: bool,
    report: Path | None,
    parity_pieces: int,
) -> None:
    """Trains a model on the data set of MANIFEST and writes its bundle.

    Whatever the data cannot show becomes a warning: on the screen, in --report and in the bundle's model card.

    Example: inspector train line/manifest.jsonl --out bundles/cup --report train.json
    """
    require_place(bundle)
    require_writable(checkpoint)
    require_writable_file(report)
    settings = named_after(bundle, TrainConfig() if config is None else read_train_config(config))
    options = TrainOptions(seed, epochs, weights_files(weights), good, strict)
    with strictly(report), stages() as shown:
        training = train_draft(manifest, settings, options, shown)
        if checkpoint is not None:
            save_checkpoint(checkpoint, training.bundle)
        write_bundle(bundle, training.bundle)
    for finding in training.findings:
        print_line(finding)
    print_warnings(training.bundle.warnings)
    if report is not None:
        write_training_report(report, training.findings, training.bundle.warnings, training.figures)
    click.echo(f"written: {bundle} (bundle {training.bundle.name}, version {training.bundle.version})")
    click.echo(f"next: inspector init {bundle} --out LINE")
    _add_parity(bundle, training.bundle, manifest, parity_pieces)


def named_after(folder: Path, settings: TrainConfig) -> TrainConfig:
    """A bundle without a name of its own has that of its folder, where it can be one."""
    if "name" in settings.model_fields_set:
        return settings
    try:
        return settings.model_copy(update={"name": TrainConfig(name=folder.resolve().name).name})
    except ValidationError:
        return settings


def weights_files(items: Sequence[str]) -> dict[str, Path]:
    """By network. Two files for one network are an error."""
    files: dict[str, Path] = {}
    for name, file in map(weights_file, items):
        if name in files:
            raise click.BadParameter(
                f"{name} is given two files, {files[name]} and {file}; leave one out", param_hint="--weights"
            )
        files[name] = file
    return files


def weights_file(item: str) -> tuple[str, Path]:
    name, separator, file = item.partition("=")
    if not separator or not Path(file).is_file():
        raise click.BadParameter(f"{item!r}: expected NAME=FILE with a file that exists", param_hint="--weights")
    return name, Path(file)


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
@click.option("--report", type=FolderOrFile, help="Folder for report.json and report.md.")
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
@report_training_errors()
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
    require_writable_file(pieces)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)  # the answer to a wrong name comes before the work
    with stages() as shown:
        evaluation = evaluate_bundle(bundle, manifest, split, false_rejects, shown, recipe, good)
    Console().print(Markdown(printable_lines(page(evaluation))))
    if report is not None:
        click.echo(f"written to {' and '.join(map(str, write_report(evaluation, report)))}")
    if pieces is not None:
        write_pieces(evaluation, pieces)
    explained = _explained(bundle, manifest, split, report) if explanations else None
    if card:
        source = origin("inspector evaluate --card", manifest, split, datetime.now(UTC).date())
        write_section(loaded, MEASURED, measured(source, evaluation, loaded.schema, explained))
        click.echo(f"the model card of {bundle} now holds these figures")


def _explained(bundle: Path, manifest: Path, split: Split, report: Path | None) -> Explanations:
    explanations = explain(bundle, manifest, split)
    Console().print(Markdown(printable_lines(explanation_page(explanations))))
    if report is not None:
        click.echo(f"written to {' and '.join(map(str, write_explanations(explanations, report)))}")
    return explanations


@click.command()
@click.argument("checkpoint", type=FolderOrFile)
@click.option("--out", "bundle", required=True, type=FolderOrFile, help="Folder of the bundle; replaced if it is one.")
@click.option(
    "--parity",
    "manifest",
    type=MANIFEST,
    help="Store calibration pieces of this manifest in the bundle, as `train` does.",
)
@parity_pieces_option
@report_training_errors()
def export(checkpoint: Path, bundle: Path, manifest: Path | None, parity_pieces: int) -> None:
    """Makes a bundle from CHECKPOINT, which `train --checkpoint`, `adapt` or `distil` wrote.

    Example: inspector export cup.ckpt --out bundles/cup --parity line/manifest.jsonl
    """
    require_place(bundle)
    draft = load_checkpoint(checkpoint)
    write_bundle(bundle, draft)
    click.echo(f"written: {bundle} (bundle {draft.name}, version {draft.version})")
    if manifest is not None:
        _add_parity(bundle, draft, manifest, parity_pieces)


def _add_parity(bundle: Path, draft: TrainedBundle, manifest: Path, num_pieces: int) -> None:
    drawing = Sampling(num_pieces, int(draft.provenance.get("seed", 0)))
    with stages() as shown:
        parity_set = add_parity_set(bundle, draft, manifest, drawing, partial(shown, "parity set"))
    about, num = parity_set.about, len(parity_set.pieces)
    click.echo(f"Parity set: {num} calibration pieces, {about.num_nearest} of them nearest the limits.")
    for finding in (*([few(num, about.num_calibration)] if num < ENOUGH_PIECES else []), *about.notes):
        print_line(finding)
