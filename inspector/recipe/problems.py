"""Loads a TOML file into a pydantic model, or lists everything wrong with the file."""

import codecs
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inspector.bundle.expected import dotted, expected, without_tags

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 2**20
"""Of one configuration or recipe; the shipped ones have 2 kB."""
_DEEP_KEY = re.compile(r"(?:[\w\"'-]{1,64}\s{0,8}\.\s{0,8}){32}")
"""A dotted key of so many parts; tomllib takes quadratic time for it: 14 s for 30,000 of them, hours for 1 MiB."""
_USER_PART = re.compile(r"(\A|//)(?:(?!//).)*@", re.DOTALL)
"""Of an address: a password may stand there, although it should not, and it may hold any character."""
_AS_UTF_8 = "save it as UTF-8 (PowerShell: Out-File -Encoding utf8)"
_SECRET = ("passw", "pwd", "secret", "token", "api_key", "apikey", "access_key", "credential")
_SECRET_PART = re.compile(rf"(\w*(?:{'|'.join(_SECRET)})\w*\s*=\s*)[^&;\s]*", re.IGNORECASE)
"""Of the query of an address."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file: place, value, expectation and fix."""

    file: Path
    key: str
    value: str
    expectation: str
    remedy: str

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.file}: {self.key}{value}: {self.expectation}; {self.remedy}"


class ConfigError(ValueError):
    """Files that cannot be used; `problems` is never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load_toml(path: Path, model: type[Model]) -> Model:
    """Reads and validates a file whole; validators find its folder in their context as `folder`.

    Raises ConfigError with every problem of the file.
    """
    try:
        data = _parsed(path)
        return model.model_validate(data, context={"folder": path.parent.resolve()})
    except ConfigError:
        raise
    except OSError as exc:
        raise _unusable(path, f"cannot be read ({exc.strerror})", "name a TOML file that this user may read") from exc
    except ValidationError as exc:
        problems = [_problem(path, model, error) for error in _causes(exc.errors())]
        raise ConfigError(problems) from None  # pydantic's own message repeats every value, passwords too
    except RecursionError as exc:
        raise _too_deep(path) from exc
    except (ValueError, OverflowError) as exc:  # of tomllib: no TOML, numbers of thousands of digits
        raise _unusable(path, f"is not TOML: {str(exc)[:200]}", "correct that place") from exc


def _parsed(path: Path) -> dict[str, object]:
    """Reads a bounded part, as the file may be a device."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _unusable(path, f"has more than {MAX_BYTES} bytes", "name a configuration, not data")
    text = _decoded(path, content)
    if _DEEP_KEY.search(text):
        raise _too_deep(path)
    return tomllib.loads(text)


def _decoded(path: Path, content: bytes) -> str:
    """UTF-8, with or without a byte order mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[1:4]:
        raise _unusable(path, "is UTF-16, as Notepad's 'Unicode' and PowerShell's > write it", _AS_UTF_8)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _unusable(path, f"is not UTF-8 ({exc.reason} at byte {exc.start})", _AS_UTF_8) from exc


def _too_deep(path: Path) -> ConfigError:
    return _unusable(path, "nests its values too deep", "no key needs more than three levels")


def _unusable(path: Path, expectation: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(path, "file", "", expectation, remedy)])


def _causes(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without the list that pydantic calls too short because its items are wrong."""
    places = [error["loc"] for error in errors]

    def follows(error: ErrorDetails) -> bool:
        depth = len(error["loc"])
        return any(len(place) > depth and place[:depth] == error["loc"] for place in places)

    return [error for error in errors if not (error["type"] == "too_short" and follows(error))]


def _problem(path: Path, model: type[BaseModel], error: ErrorDetails) -> Problem:
    keys = without_tags(model, error["loc"])
    key = dotted(keys) or "file"
    expectation, remedy = expected(error, model, keys)
    return Problem(path, key, "" if error["type"] == "missing" else shown(key, error["input"]), expectation, remedy)


def shown(key: str, value: object) -> str:
    """The value as the user wrote it; tables are named by their key alone, and secrets are not repeated."""
    if _has_tables(value):
        return ""
    if any(word in key.lower() for word in _SECRET):
        return "(not shown)"
    text = _outline(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _has_tables(value: object, depth: int = 8) -> bool:
    if isinstance(value, list | tuple):
        return depth == 0 or any(_has_tables(item, depth - 1) for item in value)
    return isinstance(value, Mapping)


def _masked(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    if isinstance(value, str):
        return _SECRET_PART.sub(r"\1(not shown)", _USER_PART.sub(r"\1(not shown)@", value))
    return value


def _outline(value: object) -> str:
    try:
        return repr(_masked(value))
    except (RecursionError, ValueError):  # nested too deep, or a number of more digits than Python prints
        return ""
