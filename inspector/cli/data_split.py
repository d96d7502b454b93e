"""`inspector data split`: train, calibration and test, without a group or a recording in two of them."""

from pathlib import Path

import click

from inspector.cli.data_check import print_counts
from inspector.cli.errors import report_user_errors
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.printable import print_line
from inspector.dataset.check.report import counted
from inspector.dataset.division.divide import divide
from inspector.dataset.division.shares import DEFAULT, SharesError, parse_shares
from inspector.dataset.findings import Finding, errors
from inspector.dataset.manifest import ManifestError, PieceRow, read_manifest, write_manifest
from inspector.dataset.rebase import rebased
from inspector.dataset.splits import split_findings


@click.command()
@click.argument("manifest", type=MANIFEST)
@click.option("--shares", default=DEFAULT, show_default=True, help="Of train, calibration and test.")
@click.option("--by", metavar="GROUP[,GROUP]", help="Groups that stay whole. Default: all that the manifest names.")
@click.option("--seed", default=0, show_default=True, help="Equal seeds give equal splits.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: MANIFEST-split.jsonl beside it.")
@click.option("--keep-all", is_flag=True, help="Refuse to leave out pieces between two splits.")
@click.option("--forget", multiple=True, metavar="GROUP", help="Remove a group that need not stay whole; repeatable.")
@report_user_errors(SharesError)
def split(
    manifest: Path, shares: str, by: str | None, seed: int, out: Path | None, keep_all: bool, forget: tuple[str, ...]
) -> None:
    """Divides the pieces of a manifest: no group of any axis, and no recording, comes into two splits.

    Each split gets about its share of every label and class, as far as groups allow. Where groups of two axes tie
    nearly all pieces together (each picture with several sounds), the groups of each axis are divided and the pieces
    between two splits are left out, into a file of their own. Pieces that `import` or an earlier split left out of
    MANIFEST, in such a file beside it, take part again. Splits that the manifest has are made anew; a manifest of
    one's own may lack them.

    \b
    inspector data split set/manifest.jsonl --shares 60/20/20 --by tile,motor
    inspector train set/manifest-split.jsonl --out bundle
    """
    rows = [_without(row, forget) for row in _with_left_out(manifest)]
    axes = by.split(",") if by else sorted({name for row in rows for name in row.groups})
    parts = parse_shares(shares)
    division = divide(manifest.parent, rows, parts, axes, seed, keep_all=keep_all)
    _refuse_crossing(division.rows, axes)
    target = out or manifest.with_name(f"{manifest.stem}-split.jsonl")
    if target.resolve() == manifest.resolve() and division.left_out:
        raise ManifestError(
            f"{target}: would lose {len(division.left_out)} pieces that are left out; name another --out"
        )
    write_manifest(target, rebased(division.rows, manifest.parent, target.parent))
    print_line(
        f"{len(division.rows)} pieces, {division.num_units} sets of them independent by {', '.join(axes)} and "
        f"recordings, the largest of {division.largest_unit}"
    )
    print_counts(counted(division.rows))
    if division.left_out:
        other = target.with_name(f"{target.stem}-left-out.jsonl")
        write_manifest(other, rebased(division.left_out, manifest.parent, target.parent))
        print_line(
            f"{len(division.left_out)} of {len(rows)} pieces join a group of one split to a group of another: they are "
            f"left out, and listed in {other}"
        )
    print_line(f"{target} is written; next: inspector data check {target}")


def _with_left_out(manifest: Path) -> list[PieceRow]:
    """The pieces of the manifest, and those that the division which wrote it left out. Without them other shares
    could hardly be reached: the rest was chosen to fit the earlier ones."""
    rows = list(read_manifest(manifest, is_undivided=True))
    beside = manifest.with_name(f"{manifest.stem}-left-out.jsonl" if manifest.stem != "manifest" else "left-out.jsonl")
    if not beside.exists():
        return rows
    present = {row.piece_id for row in rows}
    again = [row for row in read_manifest(beside, is_undivided=True) if row.piece_id not in present]
    print_line(f"{len(again)} pieces that were left out, of {beside}, take part again")
    return rows + again


def _without(row: PieceRow, forget: tuple[str, ...]) -> PieceRow:
    groups = {name: value for name, value in row.groups.items() if name not in forget}
    return row.model_copy(update={"groups": groups})


def _refuse_crossing(rows: list[PieceRow], axes: list[str]) -> None:
    """Raises ManifestError for a group that was not named and is in two splits: training would refuse it."""
    crossing: tuple[Finding, ...] = errors(split_findings(rows))
    others = sorted({name for row in rows for name in row.groups} - set(axes))
    if crossing and others:
        raise ManifestError(
            f"{crossing[0].text}; name it with --by {','.join([*axes, *others])}, or remove it: "
            + " ".join(f"--forget {name}" for name in others)
        )
