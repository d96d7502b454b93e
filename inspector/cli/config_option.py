"""The option that names the configuration file."""

from pathlib import Path

import click

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    required=True,
    help="Configuration file, such as service.toml; `inspector check` explains it.",
)
