"""`inspector adapt` and `distil`: change the experts of a trained checkpoint, and keep the outcome if its gates open.

The command line imports this module only when one of these is called, so that serving starts without torch.
"""

from pathlib import Path

import click

from inspector.cli.printable import say
from inspector.cli.training import Bars, FolderOrFile, mendable, progress_bars
from inspector.training.adapt.adapt import AdaptOptions, AdaptResult, DistilOptions, RecipeResult, distil_expert
from inspector.training.adapt.adapt import adapt as adapt_draft
from inspector.training.adapt.continual import Retention, Tolerance
from inspector.training.adapt.distil import DistilError
from inspector.training.checkpoint import load_checkpoint, save_checkpoint
from inspector.training.dataset import Dataset

Share = click.FloatRange(0, 1)
out_option = click.option("--out", required=True, type=FolderOrFile, help="Folder of the new checkpoint.")
recall_option = click.option(
    "--tolerance", default=0.0, show_default=True, type=Share, help="Recall that may be lost at the limit in force."
)
rejects_option = click.option(
    "--false-rejects", default=0.02, show_default=True, type=Share, help="Rise of good pieces held back at that limit."
)
seed_option = click.option("--seed", default=0, show_default=True)


@click.command()
@click.argument("checkpoint", type=FolderOrFile)
@click.argument("manifest", type=FolderOrFile)
@click.option(
    "--old", required=True, multiple=True, type=FolderOrFile, help="Manifest of a recipe to be kept; repeatable."
)
@out_option
@click.option("--memory", default=64, show_default=True, type=click.IntRange(2), help="Old recordings kept in mind.")
@click.option("--stiffness", default=100.0, show_default=True, type=click.FloatRange(0), help="Of EWC; 0 is none.")
@recall_option
@rejects_option
@seed_option
@mendable()
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
    """Teaches CHECKPOINT the recipe of MANIFEST; keeps the old one where an old recipe or the new one would lose."""
    how = AdaptOptions(Retention(stiffness=stiffness), memory, Tolerance(tolerance, false_rejects), seed)
    with progress_bars() as bars:
        draft, recipes = load_checkpoint(checkpoint), {str(path): Dataset(path) for path in old}
        found = adapt_draft(draft, Dataset(manifest), recipes, how, Bars(bars))
    _settle(found, checkpoint, out)


@click.command()
@click.argument("checkpoint", type=FolderOrFile)
@click.argument("manifest", type=FolderOrFile)
@click.option("--expert", required=True, help="The expert of a camera that gets a student in its place.")
@out_option
@click.option("--side-px", default=48, show_default=True, type=click.IntRange(16), help="What the student looks at.")
@click.option("--direct", is_flag=True, help="One step, without a network of middle size in between.")
@recall_option
@rejects_option
@seed_option
@mendable()
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
    """Puts a student of a tenth of its size in the place of one expert of CHECKPOINT, if MANIFEST's recipe allows."""
    how = DistilOptions(
        encoders=("micro",) if direct else ("mini", "micro"),
        side_px=side_px,
        tolerance=Tolerance(tolerance, false_rejects),
        seed=seed,
    )
    try:
        with progress_bars() as bars:
            found = distil_expert(load_checkpoint(checkpoint), Dataset(manifest), expert, how, Bars(bars))
    except DistilError as exc:
        raise click.ClickException(str(exc)) from exc
    _settle(found, checkpoint, out)


def _settle(found: AdaptResult, checkpoint: Path, out: Path) -> None:
    for gate in found.gates:
        say(str(gate))
    for deed in ("adapted", "distilled"):
        if deed in found.bundle.provenance:
            say(f"{deed}: {found.bundle.provenance[deed]}")
    click.echo(f"on what was learned: {_line(found.before)} -> {_line(found.after)}")
    if not found.passed:
        raise click.ClickException(f"{checkpoint} stays as it is, nothing is written: a recipe would lose (see above)")
    save_checkpoint(out, found.bundle)
    click.echo(
        f"checkpoint is in {out}; limits are the old ones, and nothing is certified of it: `inspector export` it"
    )


def _line(standing: RecipeResult) -> str:
    at = standing.at_limit
    return f"AUC {standing.auc:.3f}, recall {at.recall:.3f}, good held back {at.false_rejects:.3f}"
