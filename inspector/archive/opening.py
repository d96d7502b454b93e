"""Opens the database that a configuration names."""

import os
from pathlib import Path

from sqlalchemy import make_url

from inspector.archive.database import Bounds, Database, DatabaseError
from inspector.archive.settings import ArchiveSettings
from inspector.recipe.problems import ConfigError, Problem


def open_database(path: Path, settings: ArchiveSettings) -> Database:
    """`path` is the configuration file. Connects at the first use. Raises ConfigError."""
    try:
        url = make_url(settings.database)
        if url.get_backend_name() == "sqlite":
            url = url.set(database=str((path.parent / (url.database or "archive.sqlite")).resolve()))
        bounds = Bounds(settings.min_free_bytes, settings.lock_timeout_s, settings.statement_timeout_s)
        return Database(url, _password(path, settings.password_env), bounds)
    except DatabaseError as exc:
        raise ConfigError([Problem(path, "archive.database", settings.database, str(exc), "correct it")]) from exc


def _password(path: Path, variable: str | None) -> str | None:
    if variable is None:
        return None
    password = os.environ.get(variable)
    if password is None:
        remedy = "set it in the environment of the service"
        raise ConfigError(
            [Problem(path, "archive.password_env", repr(variable), "names a variable that is not set", remedy)]
        )
    return password
