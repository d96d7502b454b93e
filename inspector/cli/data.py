"""`inspector data`: from a folder of one's own recordings to a manifest that training takes."""

import click

from inspector.cli.data_check import check
from inspector.cli.data_import import import_
from inspector.cli.data_split import split


@click.group()
def data() -> None:
    """Makes, checks and splits the manifest of one's own recordings.

    \b
    inspector data import folders pictures --out set       # a manifest from folders, MVTec AD, COCO, YOLO, CSV, sounds
    inspector data check set                               # everything that is wrong, by line
    inspector data split set/manifest.jsonl --by lot       # splits that share no lot
    inspector train set/manifest-split.jsonl --out bundle
    """


data.add_command(check)
data.add_command(import_)
data.add_command(split)
