"""`inspector dataset`: data sets of the pieces that people looked at."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from inspector.access.audit.protocol import AuditError
from inspector.archive.database import DatabaseError
from inspector.archive.recordings.objects import ObjectStoreError
from inspector.archive.recordings.store import open_store
from inspector.archive.rows import PieceFilter
from inspector.cli.archive_place import open_archive
from inspector.cli.config_option import config_option
from inspector.cli.credentials import audited, principal_for, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.moments import MOMENT
from inspector.cli.printable import print_line
from inspector.config.service import load_service
from inspector.review.export.export import MANIFEST, ExportError, Summary, export_dataset
from inspector.review.export.release import UnknownDatasetError, release
from inspector.verdicts.follow import StoreError

ACTION, RELEASE = "dataset.export", "dataset.release"


@click.group()
def dataset() -> None:
    """Data sets of the pieces that people looked at, for `inspector train`."""


@dataset.command("export")
@config_option
@click.option("--since", type=MOMENT, help="Pieces that entered from then on: 2026-11-21T06:00, or 7d for a week ago.")
@click.option("--until", type=MOMENT, help="Pieces that entered before.")
@click.option("--line", help="Of this line only.")
@click.option("--station", help="Of this station only.")
@click.option("--product", help="Of this product only.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives the groups other splits.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder for the data set.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@token_file_option
@report_user_errors(AuditError, DatabaseError, ExportError, ObjectStoreError, OSError, StoreError)
def export(
    config: Path,
    since: int | None,
    until: int | None,
    line: str | None,
    station: str | None,
    product: str | None,
    seed: int,
    out: Path,
    as_json: bool,
    token_file: Path | None,
) -> None:
    """Writes the pieces that people agreed about, with their recordings, to a new folder.

    manifest.jsonl is what `inspector train` takes: pieces of one lot or with a recording in common stay in one split.
    coco.json and label-studio.json hold the same pieces for other tools. left-out.jsonl lists the pieces on which
    people disagree. Pieces and recordings stay in the archive until `inspector dataset release`.

    \b
    inspector dataset export --config service.toml --since 7d --out reviewed
    inspector train reviewed/manifest.jsonl --out my-bundle
    """
    service = load_service(config)
    principal = principal_for(service, ACTION, token_file)
    piece_filter = PieceFilter(line=line, station=station, product=product, since_ns=since, until_ns=until)
    store = open_store(service.config.recordings.settings, service.path.parent)
    with (
        open_archive(service) as database,
        audited(service) as audit,
        audit.act(principal, ACTION, str(out), {"line": line or "", "product": product or ""}),
    ):
        summary = export_dataset(database, store, piece_filter, out, seed=seed, proven_only=service.access.has_roles)
    if as_json:
        click.echo(json.dumps(asdict(summary)))
    else:
        _print(summary, out)


@dataset.command("release")
@config_option
@click.argument("name")
@token_file_option
@report_user_errors(AuditError, DatabaseError, StoreError, UnknownDatasetError)
def release_command(config: Path, name: str, token_file: Path | None) -> None:
    """Lets go of the pieces of a data set: the archive removes them when they are old enough. NAME is its folder, which
    may be gone. The folder stays as it is.

    Example: inspector dataset release reviewed --config service.toml
    """
    service = load_service(config)
    principal = principal_for(service, RELEASE, token_file)
    with open_archive(service) as database, audited(service) as audit, audit.act(principal, RELEASE, name, {}):
        num_pieces = release(database, name)
    print_line(f"{num_pieces} pieces are no longer held for {name}")


def _print(summary: Summary, out: Path) -> None:
    print_line(f"{summary.num_pieces} pieces are in {out / MANIFEST}")
    for split, labels in summary.num_by_split.items():
        print_line(f"  {split}: {labels.get('ok', 0)} ok, {labels.get('nok', 0)} nok")
    if summary.num_left_out:
        print_line(f"{summary.num_left_out} pieces are left out and listed in {out / 'left-out.jsonl'}")
    if summary.num_known:
        print_line(f"{summary.num_known} known pieces are left out: they measure reviewers")
    for note in summary.notes:
        print_line(f"- {note}")
