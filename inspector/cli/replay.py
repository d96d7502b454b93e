"""`inspector replay`: publishes a data set as a line would."""

from functools import partial
from pathlib import Path

import click

from inspector.cli.errors import report_user_errors
from inspector.cli.manifest_option import MANIFEST
from inspector.cli.publishing import given_options, publish, publish_options
from inspector.dataset.manifest import read_manifest
from inspector.dataset.survey import survey
from inspector.replay.pieces import ManifestPieces


@click.command()
@click.argument("manifest", type=MANIFEST)
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The service's configuration.")
@click.option("--split", type=click.Choice(["train", "calibration", "test"]), help="Only this split. Default: all.")
@click.option("--pieces", type=click.IntRange(1), help="Only the first N pieces.", metavar="N")
@publish_options
@report_user_errors()
def replay(manifest: Path, config: Path, split: str | None, pieces: int | None) -> None:
    """Publishes the data set of MANIFEST as a line would, so that a running service judges it.

    Frames carry the piece's id. Sound and vibration are continuous streams of chunks, with each clip at the time of its
    piece; traces carry the piece's id. Labels are not published: see --truth.

    Example: inspector replay line/manifest.jsonl --config service.toml --split test
    """
    rows = read_manifest(manifest, split)[:pieces]
    publish(ManifestPieces(manifest.parent, rows), config, given_options(), partial(survey, manifest, rows))
