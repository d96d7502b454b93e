"""How templates of pages and reports are read: every value is escaped, and an unknown variable is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def strict_environment(templates: Path) -> Environment:
    """For the templates of this folder."""
    return Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
