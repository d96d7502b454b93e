"""`inspector source folder`: files that appear in a folder become pieces."""

from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click

from inspector.cli.errors import report_user_errors
from inspector.cli.source_place import Place, Resolved, large_hours_option, place_options, seconds
from inspector.config.opening import COMMAND_PATIENCE_S
from inspector.dataset.recordings import Layout
from inspector.sources.arrivals import FolderError
from inspector.sources.folder import FolderSource
from inspector.sources.gathering import Gathering
from inspector.sources.journal import NAME, Journal, JournalError
from inspector.sources.pattern import NamePattern, PatternError
from inspector.sources.pictures import FrameContent, PictureError
from inspector.sources.target import TargetError

ERRORS = (FolderError, JournalError, PatternError, PictureError, TargetError)


@dataclass(frozen=True, slots=True)
class Watching:
    """How the folder is watched."""

    pattern: str | None
    poll_s: float
    wait_s: float
    done: Path | None
    journal: Path | None
    large_to: str | None
    large_hours: float | None
    layout: Layout
    once: bool
    count: int | None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--pattern",
    help="How files are named, without their ending: {piece}, {source} (camera or sensor), {number}, {product}, {any} "
    "and / for subfolders. Default: {piece}_{source}, {piece}_{source}_{number}, {piece}/{source}; with one camera or "
    "sensor {piece}, too.",
)
@click.option("--camera", "cameras", multiple=True, help="With --kafka: a camera's name; repeatable.")
@click.option(
    "--sensor", "sensors", multiple=True, help="With --kafka: NAME:KIND:RATE_HZ, such as mic:audio:16000; repeatable."
)
@click.option(
    "--poll",
    "poll_s",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0.05, 60),
    help="Seconds to the next look.",
)
@click.option(
    "--wait",
    "wait_s",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="Seconds after a piece's last file until it is published without those that did not come.",
)
@click.option("--done", type=click.Path(path_type=Path, file_okay=False), help="Move published files to this folder.")
@click.option("--journal", type=click.Path(path_type=Path), help=f"What was published. Default: DIR/{NAME}.")
@click.option("--large-to", metavar="PREFIX", help="Folder or store for pictures larger than a record.")
@large_hours_option
@click.option("--columns", metavar="A,B", help="Channels of .csv and .tdms files by name or number, as in training.")
@click.option("--channels-first", is_flag=True, help=".npy files are (channels, samples).")
@click.option("--once", is_flag=True, help="Publish what is there, and end.")
@click.option("--count", type=click.IntRange(1), help="End after this many pieces.")
@place_options
@report_user_errors(*ERRORS)
def folder(
    place: Place,
    folder: Path,
    pattern: str | None,
    cameras: tuple[str, ...],
    sensors: tuple[str, ...],
    poll_s: float,
    wait_s: float,
    done: Path | None,
    journal: Path | None,
    large_to: str | None,
    large_hours: float | None,
    columns: str | None,
    channels_first: bool,
    once: bool,
    count: int | None,
) -> None:
    """Publishes the pictures and recordings that appear in FOLDER, as pieces.

    A file is taken when two looks in a row found it unchanged; better still, write it under a name that ends in .part
    and rename it. A piece is published when all cameras and sensors of the recipe have theirs, or after --wait. Nothing
    is moved or deleted without --done. A journal remembers what was published: each file once, whatever restarts.

    P-1_top.png and P-1_mic.wav are the piece P-1 of camera top and sensor mic. Files that cannot be read are named in
    one line, counted and left out; the piece goes to REVIEW.

    \b
    inspector source folder incoming --config service.toml
    inspector source folder incoming --done sent --config service.toml
    inspector source folder shots --pattern '{product}/{any}/{piece}-{source}' --config service.toml
    inspector source folder shots --kafka kafka-1:9092 --line line-1 --camera top --once
    """
    if place.config is not None and (cameras or sensors):
        raise click.UsageError(
            "--camera and --sensor are for --kafka; with --config the recipe names them: leave them out"
        )
    resolved = place.resolve(cameras, sensors)
    layout = Layout(tuple(columns.split(",")) if columns else (), channels_first)
    watching = Watching(pattern, poll_s, wait_s, done, journal, large_to, large_hours, layout, once, count)
    _watch(resolved, folder.resolve(), watching)


def _watch(resolved: Resolved, folder: Path, watching: Watching) -> None:
    _check_done(folder, watching.done)
    if not folder.is_dir():
        raise FolderError(f"{folder} is no folder; make it, or correct the path")
    spec = resolved.target.spec
    names = [camera.name for camera in spec.cameras] + [sensor.name for sensor in spec.sensors]
    if not names:
        raise TargetError("without --config nobody knows cameras and sensors: name them with --camera and --sensor")
    naming = NamePattern(watching.pattern, names)
    content = FrameContent(resolved.target, watching.large_to, seconds(watching.large_hours))
    journal = Journal((watching.journal or folder / NAME).resolve(), folder)
    click.echo(f"{folder}: {' or '.join(naming.texts)}, to {resolved.describe()}; Ctrl+C ends", err=True)
    patience_s = COMMAND_PATIENCE_S if watching.once else None
    with closing(journal), resolved.open(patience_s) as (publisher, stop):
        gathering = Gathering(naming, spec, watching.wait_s)
        done = None if watching.done is None else watching.done.resolve()
        watch = FolderSource(folder, resolved.target, publisher, content, gathering, journal, done, watching.layout)
        with resolved.measured("folder", partial(asdict, watch.counts)):
            counts = watch.run(stop, watching.poll_s, once=watching.once, most=watching.count)
    click.echo(f"published {counts} on {resolved.target.topics.line}/{resolved.target.station}")


def _check_done(folder: Path, done: Path | None) -> None:
    if done is not None and (done.resolve() == folder or folder in done.resolve().parents):
        raise FolderError(f"--done {done} lies in the watched folder and would be watched, too; name another one")
