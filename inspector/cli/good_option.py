"""The option that names the class of good pieces."""

import click

good_option = click.option(
    "--good",
    multiple=True,
    metavar="NAME",
    help="Class that counts as good, for a manifest without pieces labelled ok; repeatable.",
)
