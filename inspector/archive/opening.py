"""Opens the database that a configuration names."""

import os
from pathlib import Path

from sqlalchemy import make_url

from inspector.archive.database import Database, DatabaseError
from inspector.archive.settings import ArchiveSettings
from inspector.recipe.problems import ConfigError, Problem


def open_database(path: Path, settings: ArchiveSettings, kind: type[Database] = Database) -> Database:
    """`path` is the configuration file. Connects at the first use. Raises ConfigError."""
    try:
        url = make_url(settings.database)
        if url.get_backend_name() == "sqlite":
            url = url.set(database=str((path.parent / (url.database or "archive.sqlite")).resolve()))
        return kind(url, _password(path, settings.password_env))
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
