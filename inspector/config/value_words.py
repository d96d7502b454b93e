"""Describes annotation, constraints and default of a model's field in words for users."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

BASIC: Mapping[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
}
_PLURALS: Mapping[str, str] = {
    "table": "tables",
    "number": "numbers",
    "whole number": "whole numbers",
    "text": "texts",
    "name": "names",
    "path": "paths",
}
_NAME_PATTERN = "^[A-Za-z0-9_]+"
"""Beginning of the pattern of names: letters, digits, `_` and `-`."""


def shown(value: object) -> str:
    """A value as written in a TOML file; `-` for no value and for a table with its own defaults."""
    if value is None or isinstance(value, BaseModel):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def type_words(annotation: object, constraints: Sequence[object] = ()) -> str:
    """Such as `whole number, at least 1`; `constraints` are those of the field besides its annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(arguments[0], [*arguments[1:], *constraints])
    if origin is Literal:
        return " or ".join(f"`{shown(value)}`" for value in arguments)
    if origin in (Union, UnionType):
        parts = [part for part in arguments if part is not NoneType]
        return " or ".join(dict.fromkeys(type_words(part, constraints) for part in parts))
    if origin in (tuple, list):
        item = type_words(arguments[0])
        return _with_bounds(f"list of {_plural(item)}", constraints)
    if origin is Mapping:
        return f"table of names to {_plural(type_words(arguments[1]))}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{shown(member.value)}`" for member in annotation)
    return _with_bounds(BASIC.get(annotation, getattr(annotation, "__name__", str(annotation))), constraints)


def _plural(words: str) -> str:
    kind, comma, bounds = words.partition(",")
    plural = _PLURALS.get(kind, kind)
    return f"{plural}, each{bounds}" if comma else plural


def _with_bounds(words: str, constraints: Sequence[object]) -> str:
    flat = list(_flat(constraints))
    if words == "text" and any(str(getattr(item, "pattern", None)).startswith(_NAME_PATTERN) for item in flat):
        words = "name"
    size = "characters" if words in ("text", "name") else "items"
    return ", ".join([words, *(text for item in flat if (text := _number_bound(item) or _size_bound(item, size)))])


def _flat(constraints: Sequence[object]) -> Iterator[object]:
    """A field inside `Annotated` holds a list, and a length holds two bounds."""
    for item in constraints:
        if isinstance(item, FieldInfo):
            yield from _flat(item.metadata)
        elif isinstance(item, Len):
            yield from item
        else:
            yield item


def _number_bound(constraint: object) -> str:
    match constraint:
        case Ge(ge=value):
            return f"at least {shown(value)}"
        case Gt(gt=value):
            return f"above {shown(value)}"
        case Le(le=value):
            return f"at most {shown(value)}"
        case Lt(lt=value):
            return f"below {shown(value)}"
    return ""


def _size_bound(constraint: object, size: str) -> str:
    match constraint:
        case MinLen(min_length=1):
            return "not empty"
        case MinLen(min_length=value):
            return f"at least {value} {size}"
        case MaxLen(max_length=value):
            return f"at most {value} {size}"
    return ""
