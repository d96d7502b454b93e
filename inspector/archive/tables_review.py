"""Tables of the package `inspector.review`, which owns this file."""

from inspector.archive.metadata import METADATA  # noqa: F401 - for the tables to come
