"""`inspector train` and `export`: the commands of the training half.

Help and errors of arguments need no torch: what does is imported by a command that runs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from inspector.bundle.load import BundleError
from inspector.cli.errors import report_user_errors
from inspector.cli.good_option import good_option
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.places import require_writable, require_writable_file
from inspector.cli.printable import print_line
from inspector.cli.stages import stages
from inspector.parity.report import few
from inspector.parity.schema import ENOUGH_PIECES, ParityError
from inspector.training.advice import Advice, StrictError, write_training_report
from inspector.training.bundle_place import require_place
from inspector.training.config import TrainConfig, TrainConfigError, read_train_config
from inspector.training.errors import CheckpointError, ExportError, LoraError

if TYPE_CHECKING:
    from inspector.training.export import TrainedBundle
    from inspector.training.train import Training

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


strict_option = click.option(
    "--strict", is_flag=True, help="If there is a warning, write no bundle and end with exit code 3."
)
REPORT_HELP = "Write findings and warnings to this JSON file, with --strict too."
report_option = click.option(
    "--report",
    type=FolderOrFile,
    help=f"{REPORT_HELP} Next to it, as .html, a page with the figures and the worst pieces.",
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
    require_writable_file(report, None if report is None else page_beside(report))
    settings = named_after(bundle, TrainConfig() if config is None else read_train_config(config))
    files = weights_files(weights)
    from inspector.training.checkpoint import save_checkpoint
    from inspector.training.export import write_bundle
    from inspector.training.train import train as train_draft
    from inspector.training.trainer import TrainOptions

    options = TrainOptions(seed, epochs, files, good, strict)
    with strictly(report), stages() as shown:
        training = train_draft(manifest, settings, options, shown)
        if checkpoint is not None:
            save_checkpoint(checkpoint, training.bundle)
        write_bundle(bundle, training.bundle)
    for finding in training.findings:
        print_line(finding)
    print_warnings(training.bundle.warnings)
    if report is not None:
        _write_report(training, bundle, report)
    click.echo(f"written: {bundle} (bundle {training.bundle.name}, version {training.bundle.version})")
    _add_parity(bundle, training.bundle, manifest, parity_pieces)
    click.echo(f"next: inspector evaluate {bundle} {manifest} --report TEST; inspector init {bundle} --out LINE")


def _write_report(training: "Training", bundle: Path, path: Path) -> None:
    """The JSON file, and next to it the page of the same name."""
    from inspector.report.page import write_page
    from inspector.training.report_page import examined_by, training_content

    write_training_report(path, training.findings, training.bundle.warnings, training.figures)
    with stages() as shown:
        examine = examined_by(bundle, training.trained.dataset.root, partial(shown, "worst pieces"))
        content = training_content(training.trained, examine)
    click.echo(f"report: {write_page(content, page_beside(path))}, to look at in a browser")


def page_beside(report: Path) -> Path:
    """`train.html` for `train.json`, and for any other name that with `.html` behind it."""
    return report.with_suffix(".html") if report.suffix == ".json" else report.with_name(f"{report.name}.html")


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
    from inspector.training.checkpoint import load_checkpoint
    from inspector.training.export import write_bundle

    draft = load_checkpoint(checkpoint)
    write_bundle(bundle, draft)
    click.echo(f"written: {bundle} (bundle {draft.name}, version {draft.version})")
    if manifest is not None:
        _add_parity(bundle, draft, manifest, parity_pieces)


def _add_parity(bundle: Path, draft: "TrainedBundle", manifest: Path, num_pieces: int) -> None:
    from inspector.training.parity_set import Sampling, add_parity_set

    drawing = Sampling(num_pieces, int(draft.provenance.get("seed", 0)))
    with stages() as shown:
        parity_set = add_parity_set(bundle, draft, manifest, drawing, partial(shown, "parity set"))
    about, num = parity_set.about, len(parity_set.pieces)
    click.echo(f"Parity set: {num} calibration pieces, {about.num_nearest} of them nearest the limits.")
    for finding in (*([few(num, about.num_calibration)] if num < ENOUGH_PIECES else []), *about.notes):
        print_line(finding)
