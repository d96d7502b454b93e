"""`inspector data import`: a manifest from data sets in common forms."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Required, TypedDict, TypeVar, Unpack, cast, get_args

import click

from inspector.cli.bars import remaining_bars
from inspector.cli.data_check import print_counts
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.cli.sizes import size_px
from inspector.dataset.check.report import counted
from inspector.dataset.division.shares import DEFAULT, SharesError, parse_shares
from inspector.dataset.importing.coco import coco as coco_items
from inspector.dataset.importing.folders import by_folder
from inspector.dataset.importing.folders import mvtec as mvtec_items
from inspector.dataset.importing.grouping import Grouping
from inspector.dataset.importing.items import DataImportError, Item
from inspector.dataset.importing.named_files import named_files
from inspector.dataset.importing.options import ImportOptions
from inspector.dataset.importing.run import Imported, write_import
from inspector.dataset.importing.table import Columns, table
from inspector.dataset.importing.yolo import yolo as yolo_items
from inspector.dataset.manifest import RawPixels
from inspector.dataset.recordings import Layout
from streams.join.assembly import BitDepth
from streams.observation import SensorKind

Command = TypeVar("Command", bound=Callable[..., None])


class _Given(TypedDict, total=False):
    """Options of all kinds, then those for signals."""

    out: Required[Path]
    group_by: Required[str | None]
    shares: Required[str]
    seed: Required[int]
    copy: Required[bool]
    camera: Required[str]
    bit_depth: Required[str | None]
    pixels: Required[RawPixels | None]
    size: Required[str | None]
    sensor: str
    kind: SensorKind
    rate: float | None
    columns: str | None
    channels_first: bool


Place = click.Path(path_type=Path)
_COMMON = (
    click.argument("source", type=Place),
    click.option("--out", required=True, type=Place, help="New folder for the manifest."),
    click.option("--good", multiple=True, metavar="NAME", help="Class that counts as good; repeatable."),
    click.option("--group-by", metavar="REGEX|folder", help="What belongs together: the part of the path in ()."),
    click.option("--shares", default=DEFAULT, show_default=True, help="Of train, calibration and test."),
    click.option("--seed", default=0, show_default=True, help="Equal seeds give equal splits."),
    click.option("--copy", is_flag=True, help="Copy the recordings into the folder. Default: refer to them."),
    click.option("--camera", default="camera", show_default=True, help="Name of the camera of the images."),
    click.option("--bit-depth", type=click.Choice(["8", "10", "12", "14", "16"]), help="Of values low in 16 bits."),
    click.option("--pixels", type=click.Choice(get_args(RawPixels)), metavar="FORMAT",
                 help="Packing of .raw files, such as MONO12P; or BAYER_RG8 for mosaics kept as grey images."),
    click.option("--size", metavar="WIDTHxHEIGHT", help="Of .raw files, in pixels."),
)  # fmt: skip
_SIGNALS = (
    click.option("--sensor", default="sensor", show_default=True, help="Name of the sensor of the signals."),
    click.option("--kind", type=click.Choice(get_args(SensorKind)), default="audio", show_default=True,
                 help="What the sensor measures."),
    click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="HZ",
                 help="Sample rate of files that do not state it (.npy, .csv without times)."),
    click.option("--columns", metavar="A,B", help="Channels of CSV and TDMS files by name, or by number where "
                 "they have no names: 5,6. Default: all but the time."),
    click.option("--channels-first", is_flag=True, help="NumPy files are (channels, samples)."),
)  # fmt: skip


def _with(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


@click.group("import")
def import_() -> None:
    """Makes a manifest of recordings that lie in a common form, and divides it into splits.

    \b
    inspector data import folders pictures --out set --good fine --group-by 'lot(\\d+)'
    inspector data import mvtec mvtec_ad/screw --out set --camera top
    inspector data import coco annotations.json --images images --out set
    inspector data import yolo dataset --out set
    inspector data import csv labels.csv --image top=photo --signal mic=sound --label result --group lot --out set
    inspector data import recordings sounds --pattern '(?P<motor>\\w+)_(?P<label>\\w+)_\\d+' --out set
    """


@import_.command("folders")
@_with(*_COMMON, *_SIGNALS)
@report_user_errors(DataImportError, SharesError)
def folders(source: Path, good: tuple[str, ...], **given: Unpack[_Given]) -> None:
    """Folders as classes: SOURCE/good/..., SOURCE/crack/..., of images or signals."""
    notes: list[str] = []
    _write(source, by_folder(source, good, notes), given, notes)


@import_.command("mvtec")
@_with(*_COMMON)
@report_user_errors(DataImportError, SharesError)
def mvtec(source: Path, good: tuple[str, ...], **given: Unpack[_Given]) -> None:
    """A set of MVTec AD: train/good, test/CLASS and the masks of ground_truth.

    Its own split has no defect in train, so that nothing could be calibrated: the pieces are divided anew.
    """
    _refuse_good(good)
    notes: list[str] = []
    _write(source, mvtec_items(source, notes), given, notes)


@import_.command("coco")
@_with(*_COMMON)
@click.option("--images", type=Place, help="Folder of the images. Default: the usual places beside the JSON file.")
@report_user_errors(DataImportError, SharesError)
def coco(source: Path, good: tuple[str, ...], images: Path | None, **given: Unpack[_Given]) -> None:
    """COCO annotations: boxes, polygons and run lengths become masks, categories become classes.

    An image without annotations is good.
    """
    notes: list[str] = []
    _write(source, coco_items(source, images, good, notes), given, notes)


@import_.command("yolo")
@_with(*_COMMON)
@click.option("--names", metavar="A,B", help="Class names. Default: those of data.yaml or classes.txt.")
@report_user_errors(DataImportError, SharesError)
def yolo(source: Path, good: tuple[str, ...], names: str | None, **given: Unpack[_Given]) -> None:
    """YOLO labels: boxes and polygons become masks. An image without labels is good."""
    notes: list[str] = []
    _write(source, yolo_items(source, names.split(",") if names else (), good, notes), given, notes)


@import_.command("csv")
@_with(*_COMMON, *_SIGNALS)
@click.option("--image", "images", multiple=True, metavar="CAMERA=COLUMN", help="Column of a path; repeatable.")
@click.option("--signal", "signals", multiple=True, metavar="SENSOR=COLUMN", help="Column of a path.")
@click.option("--label", metavar="COLUMN", help="Column of ok and nok, or of classes.")
@click.option("--probability", metavar="COLUMN", help="In place of --label: how likely a defect is, 0 ok to 1 nok.")
@click.option("--defects", metavar="COLUMN", help="Column of the classes, with | between several.")
@click.option("--piece", metavar="COLUMN", help="Column of the piece id. Default: the number of the row.")
@click.option("--group", "groups", multiple=True, metavar="COLUMN", help="What belongs together; repeatable.")
@click.option("--product", metavar="COLUMN", help="Column of the product.")
@report_user_errors(DataImportError, SharesError)
def csv(
    source: Path,
    good: tuple[str, ...],
    images: tuple[str, ...],
    signals: tuple[str, ...],
    label: str | None,
    probability: str | None,
    defects: str | None,
    piece: str | None,
    groups: tuple[str, ...],
    product: str | None,
    **given: Unpack[_Given],
) -> None:
    """A table of labels, a row a piece, with paths relative to it."""
    files = dict(_pair(text) for text in (*images, *signals))
    if not files:
        raise DataImportError("no column of recordings is named: give --image CAMERA=COLUMN or --signal SENSOR=COLUMN")
    if (label is None) == (probability is None):
        raise DataImportError("name one of --label and --probability: the column that says which pieces are good")
    columns = Columns(files, label, defects, piece, groups, product, probability)
    _write(source, table(source, columns, good), given, [])


@import_.command("recordings")
@_with(*_COMMON, *_SIGNALS)
@click.option(
    "--pattern",
    required=True,
    metavar="REGEX",
    help="Of the names, or of the paths below SOURCE, without suffix; with (?P<label>...).",
)
@report_user_errors(DataImportError, SharesError)
def recordings(source: Path, good: tuple[str, ...], pattern: str, **given: Unpack[_Given]) -> None:
    """Files whose names say what they are.

    Parts of the pattern named label, piece, sensor, camera and product have a meaning; each other name is a group.
    Files of one piece make one piece of several sensors.

    \b
    inspector data import recordings sounds --pattern '(?P<motor>\\w+)_(?P<label>\\w+)_\\d+' --sensor mic --out set
    """
    skipped: list[Path] = []
    imported = _imported(source, named_files(source, pattern, good, skipped), given)
    if skipped:
        imported.notes.append(
            f"{len(skipped)} files do not match the pattern and are left out, the first: {skipped[0]}"
        )
    _print(imported)


def _pair(text: str) -> tuple[str, str]:
    name, found, column = text.partition("=")
    if not found or not name or not column:
        raise DataImportError(f"{text!r}: expected NAME=COLUMN")
    return name, column


def _refuse_good(good: tuple[str, ...]) -> None:
    if good:
        raise DataImportError("--good is not for MVTec AD, whose good class is called good; leave it out")


def _write(source: Path, items: Iterable[Item], given: _Given, notes: list[str]) -> None:
    """`notes`: sentences that the items add while they are read."""
    imported = _imported(source, items, given)
    imported.notes += notes
    _print(imported)


def _imported(source: Path, items: Iterable[Item], given: _Given) -> Imported:
    depth, columns = given.get("bit_depth"), given.get("columns")
    options = ImportOptions(
        out=given["out"],
        shares=parse_shares(given["shares"]),
        camera=given["camera"],
        sensor=given.get("sensor", "sensor"),
        kind=given.get("kind", "audio"),
        rate_hz=given.get("rate"),
        layout=Layout(tuple(columns.split(",")) if columns else (), bool(given.get("channels_first"))),
        bit_depth=None if depth is None else cast("BitDepth", int(depth)),
        pixels=given["pixels"],
        size_px=None if given["size"] is None else size_px(given["size"]),
        grouping=Grouping.of(given["group_by"]),
        copy=given["copy"],
        seed=given["seed"],
    )
    with remaining_bars() as progress:
        return write_import(source, items, options, progress)


def _print(imported: Imported) -> None:
    num_files = sum(len(row.images) + len(row.signals) for row in imported.rows)
    axes = sorted({name for row in imported.rows for name in row.groups})
    num_groups = {axis: len({row.groups.get(axis) for row in imported.rows} - {None}) for axis in axes}
    print_line(
        f"{len(imported.rows)} pieces with {num_files} recordings, in groups by "
        + ", ".join(f"{axis} ({num})" for axis, num in num_groups.items())
    )
    print_counts(counted(imported.rows))
    for note in imported.notes:
        print_line(note)
    print_line(f"{imported.manifest} is written; next:")
    print_line(f"  inspector data check {imported.manifest}")
    if imported.is_divided:
        print_line(f"  inspector train {imported.manifest} --out BUNDLE")
    else:
        print_line(f"  inspector data split {imported.manifest} --shares {DEFAULT} --by {','.join(axes)}")
