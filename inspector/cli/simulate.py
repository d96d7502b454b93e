"""`inspector simulate`: writes a synthetic data set, or runs a synthetic line into the log."""

from pathlib import Path
from typing import get_args

import click
from rich.console import Console
from rich.progress import Progress

from inspector.cli.errors import report_user_errors
from inspector.cli.publishing import given_options, publish, publish_options
from inspector.replay.pieces import SimulatedPieces
from inspector.simulation.dataset import Only, write_dataset
from inspector.simulation.pieces import LineSettings, Scenario


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Write a data set with a manifest into this folder.")
@click.option("--config", type=click.Path(path_type=Path), help="Publish into the log of this configuration.")
@click.option("--pieces", default=600, show_default=True, type=click.IntRange(1), help="Pieces to make.")
@click.option("--defects", default=0.2, show_default=True, type=click.FloatRange(0, 1), help="Share of bad pieces.")
@click.option(
    "--scenario",
    default="plain",
    show_default=True,
    type=click.Choice(get_args(Scenario)),
    help="plain: scratches and dents are seen, cracks are heard. disagreement: half of the pieces also have an insert; "
    "if it is only seen or only heard, the piece is bad, which neither sensor alone can know. rare_hard: 8 % of the "
    "pieces are rubbed, and only a hairline, too fine for a thumbnail, shows their defect.",
)
@click.option(
    "--frames",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Images per piece. A scratch or dent shows in one of them only. On a live line, num_frames of the recipe's "
    "camera must be equal.",
)
@click.option(
    "--only",
    type=click.Choice(get_args(Only)),
    help="A line with this source alone: camera `top` or microphone `mic`. Only defects that it shows are defects.",
)
@publish_options
@report_user_errors()
def simulate(
    out: Path | None,
    config: Path | None,
    pieces: int,
    defects: float,
    scenario: Scenario,
    frames: int,
    only: Only | None,
) -> None:
    """Simulates a line of discs with scratches and dents (seen) and cracks (heard).

    --out writes a data set to train on. --config publishes to the log of a running service instead; rate, stations and
    faults apply to this only.

    \b
    inspector simulate --out line --pieces 2400
    inspector simulate --out motors --only mic
    inspector simulate --config service.toml --rate 12 --drop 0.01
    """
    if (out is None) == (config is None):
        raise click.UsageError("give one of --out (a data set) and --config (a live line)")
    options = given_options()
    settings = LineSettings(seed=options.seed, defect_share=defects, scenario=scenario, num_frames=frames)
    if config is not None:
        publish(SimulatedPieces(settings, pieces, only=only), config, options)
    elif out is not None:
        _write(out, pieces, settings, only)


def _write(out: Path, pieces: int, settings: LineSettings, only: Only | None) -> None:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pieces", total=pieces)
        path = write_dataset(out, pieces, settings, lambda done: progress.update(task, completed=done), only)
    click.echo(f"wrote {pieces} pieces: {path}")
