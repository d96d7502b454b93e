"""Opens the database that a configuration names."""

import os
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from inspector.archive.database import Bounds, Database, DatabaseError
from inspector.archive.settings import ArchiveSettings
from inspector.recipe.problems import ConfigError, Problem, shown


def open_database(path: Path, settings: ArchiveSettings, kind: type[Database] = Database) -> Database:
    """`path` is the configuration file. Connects at the first use. Raises ConfigError."""
    try:
        url = make_url(settings.database)
        if url.get_backend_name() == "sqlite":
            url = url.set(database=str((path.parent / (url.database or "archive.sqlite")).resolve()))
        bounds = Bounds(settings.min_free_bytes, settings.lock_timeout_s, settings.statement_timeout_s)
        return kind(url, _password(path, settings.password_env), bounds)
    except ConfigError:
        raise
    except DatabaseError as exc:
        raise _unusable(path, settings, str(exc)) from exc
    except (ArgumentError, ValueError):  # a port that is no number: the message repeats parts of the address
        raise _unusable(path, settings, "is no address of a database") from None


def _unusable(path: Path, settings: ArchiveSettings, expectation: str) -> ConfigError:
    value = shown("archive.database", settings.database)
    return ConfigError([Problem(path, "archive.database", value, expectation, "correct it")])


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
