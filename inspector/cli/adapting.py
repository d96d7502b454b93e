"""`inspector adapt` and `distil`: change the experts of a checkpoint, and save the result if it passes its gates.

Help and errors of arguments need no torch: what does is imported by a command that runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.manifest_option import MANIFEST
from inspector.cli.places import require_writable
from inspector.cli.printable import print_line
from inspector.cli.stages import stages
from inspector.cli.training import FolderOrFile, report_training_errors
from inspector.dataset.good_class import recorded_good
from inspector.dataset.manifest import read_manifest
from inspector.training.errors import DistilError
from inspector.training.framed import framings_of

if TYPE_CHECKING:
    from inspector.training.adapt.adapt import AdaptResult, RecipeResult
    from inspector.training.dataset import Dataset
    from inspector.training.export import TrainedBundle

Share = click.FloatRange(0, 1)
out_option = click.option("--out", required=True, type=FolderOrFile, help="Folder of the new checkpoint.")
recall_option = click.option(
    "--tolerance",
    default=0.0,
    show_default=True,
    type=Share,
    help="Share of the defects that may be missed more than before, at the same limit.",
)
rejects_option = click.option(
    "--false-rejects",
    default=0.02,
    show_default=True,
    type=Share,
    help="Share of the good pieces that may be held back more than before, at the same limit.",
)
seed_option = click.option("--seed", default=0, show_default=True, help="Equal seeds give equal results.")


@click.command()
@click.argument("checkpoint", type=FolderOrFile)
@click.argument("manifest", type=MANIFEST)
@click.option(
    "--old",
    required=True,
    multiple=True,
    type=MANIFEST,
    help="Manifest of an old product, which must not be judged worse; repeatable.",
)
@out_option
@click.option(
    "--memory",
    default=64,
    show_default=True,
    type=click.IntRange(2),
    help="Recordings of old products to train on again.",
)
@click.option(
    "--stiffness",
    default=100.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How strongly weights are kept near their old values (elastic weight consolidation); 0: off.",
)
@recall_option
@rejects_option
@seed_option
@report_training_errors()
def adapt(
    checkpoint: Path,
    manifest: Path,
    old: tuple[Path, ...],
    out: Path,
    memory: int,
    stiffness: float,
    tolerance: float,
    false_rejects: float,
    seed: int,
) -> None:
    """Teaches the model in CHECKPOINT the new product of MANIFEST, without forgetting the old ones.

    Checks the result on all their manifests. If it judges any product worse than --tolerance and --false-rejects allow,
    nothing is written.

    Example: inspector adapt cup.ckpt lids/manifest.jsonl --old cups/manifest.jsonl --out both.ckpt
    """
    require_writable(out)
    from inspector.training.adapt.adapt import AdaptOptions
    from inspector.training.adapt.adapt import adapt as adapt_bundle
    from inspector.training.adapt.continual import Retention, Tolerance
    from inspector.training.checkpoint import load_checkpoint

    how = AdaptOptions(Retention(stiffness=stiffness), memory, Tolerance(tolerance, false_rejects), seed)
    with stages() as shown:
        draft = load_checkpoint(checkpoint)
        recipes = {str(path): _dataset(path, draft) for path in old}
        successor = adapt_bundle(draft, _dataset(manifest, draft), recipes, how, shown)
    _save_if_passed(successor, checkpoint, out)


@click.command()
@click.argument("checkpoint", type=FolderOrFile)
@click.argument("manifest", type=MANIFEST)
@click.option("--expert", required=True, help="The camera's expert to replace.")
@out_option
@click.option(
    "--side-px", default=48, show_default=True, type=click.IntRange(16), help="Image side of the student, in pixels."
)
@click.option("--direct", is_flag=True, help="Distil in one step, without a network of middle size in between.")
@recall_option
@rejects_option
@seed_option
@report_training_errors()
def distil(
    checkpoint: Path,
    manifest: Path,
    expert: str,
    out: Path,
    side_px: int,
    direct: bool,
    tolerance: float,
    false_rejects: float,
    seed: int,
) -> None:
    """Replaces one camera's expert of CHECKPOINT by a student, a network of a tenth of its size that learns from it.

    Checks the result on MANIFEST. If it judges worse than --tolerance and --false-rejects allow, nothing is written.

    Example: inspector distil cup.ckpt line/manifest.jsonl --expert top-full --out small.ckpt
    """
    require_writable(out)
    from inspector.training.adapt.adapt import DistilOptions, distil_expert
    from inspector.training.adapt.continual import Tolerance
    from inspector.training.checkpoint import load_checkpoint

    how = DistilOptions(
        encoders=("micro",) if direct else ("mini", "micro"),
        side_px=side_px,
        tolerance=Tolerance(tolerance, false_rejects),
        seed=seed,
    )
    try:
        with stages() as shown:
            draft = load_checkpoint(checkpoint)
            successor = distil_expert(draft, _dataset(manifest, draft), expert, how, shown)
    except DistilError as exc:
        raise click.ClickException(str(exc)) from exc
    _save_if_passed(successor, checkpoint, out)


def _dataset(manifest: Path, draft: "TrainedBundle") -> "Dataset":
    """With the good classes and the regions of the first training."""
    from inspector.training.dataset import Dataset

    good = recorded_good(draft.provenance, read_manifest(manifest))
    return Dataset(manifest, cameras=framings_of(draft.modalities), good=good)


def _save_if_passed(successor: "AdaptResult", checkpoint: Path, out: Path) -> None:
    for gate in successor.gates:
        print_line(str(gate))
    for step in ("adapted", "distilled"):
        if step in successor.bundle.provenance:
            print_line(f"{step}: {successor.bundle.provenance[step]}")
    click.echo(f"cross-validation: {_line(successor.before)} -> {_line(successor.after)}")
    if not successor.passed:
        raise click.ClickException(f"{checkpoint} is unchanged and nothing is written: a recipe would lose (see above)")
    from inspector.training.checkpoint import save_checkpoint

    save_checkpoint(out, successor.bundle)
    click.echo(f"checkpoint is in {out}; it keeps the old limits and has no certificate: `inspector export` it")


def _line(result: "RecipeResult") -> str:
    at = result.at_limit
    return f"AUC {result.auc:.3f}, recall {at.recall:.3f}, good held back {at.false_rejects:.3f}"
