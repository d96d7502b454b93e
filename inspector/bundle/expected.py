"""Says in words what a model expected where a file holds something else: known keys, and what was likely meant."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails


def expected(error: ErrorDetails, model: type[BaseModel], keys: Sequence[str | int]) -> tuple[str, str]:
    """Expectation and remedy for one error at `keys`, the place in the file."""
    if error["type"] == "extra_forbidden":
        key, place = str(keys[-1]), keys[:-1]
        return "is not a known key", _belongs(model, key, place) or near_miss(key, known_keys(model, place))
    if error["type"] == "missing":
        return "is required", "add it"
    if error["type"] == "union_tag_not_found":
        words = sorted({word for table in _tables_at(model, keys) for word in _kinds(table)})
        return f"{error['ctx']['discriminator']} is required", f"add one of {', '.join(words)}"
    expectation, separator, remedy = error["msg"].removeprefix("Value error, ").partition("; ")
    if not separator:
        remedy = likely(error["input"], _words_at(model, keys)) or "change the value"
    return expectation, remedy


def dotted(keys: Iterable[str | int]) -> str:
    """The place as people write it, such as `experts[0].name`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def near_miss(key: str, known: Sequence[str]) -> str:
    """The key that was likely meant, or else all known ones."""
    return likely(key, known) or (f"known keys here: {', '.join(sorted(known))}" if known else "remove it")


def known_keys(model: type[BaseModel], keys: Sequence[str | int]) -> list[str]:
    """Keys that the tables at `keys` may hold: of every variant where a table has several forms."""
    return sorted({name for table in _tables_at(model, keys) for name in table.model_fields})


def without_tags(model: type[BaseModel], place: Iterable[str | int]) -> list[str | int]:
    """The place of an error as the file has it: pydantic adds the values of discriminators, which no key is named."""
    tags = _tags(model)
    return [part for part in place if not (isinstance(part, str) and part in tags)]


def _belongs(model: type[BaseModel], key: str, place: Sequence[str | int]) -> str:
    """Where a key is known that stands one table too high."""
    for table in _tables_at(model, place):
        for name, field in table.model_fields.items():
            if any(key in inner.model_fields for inner in _models_in(field.annotation)):
                return f"it belongs into {dotted([*place, name])}"
    return ""


def likely(value: object, known: Sequence[str]) -> str:
    """`did you mean ...?`, or nothing where no known word is close."""
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.6) if isinstance(value, str) else []
    return f"did you mean {close[0]!r}?" if close else ""


def _tables_at(model: type[BaseModel], keys: Sequence[str | int]) -> list[type[BaseModel]]:
    annotations: list[object] = [model]
    for key in keys:
        if isinstance(key, str):
            annotations = [inner for each in annotations for inner in _below(each, key)]
    return [table for each in annotations for table in _models_in(each)]


def _below(annotation: object, key: str) -> list[object]:
    """What `key` of a table holds; in a table of tables the key may be any name."""
    if get_origin(annotation) is Mapping:
        return [get_args(annotation)[1]]
    return [table.model_fields[key].annotation for table in _models_in(annotation) if key in table.model_fields]


def _words_at(model: type[BaseModel], keys: Sequence[str | int]) -> list[str]:
    """The words that a value at `keys` may be; none where it may be anything."""
    names = [key for key in keys if isinstance(key, str)]
    if not names:
        return []
    tables = [table for table in _tables_at(model, names[:-1]) if names[-1] in table.model_fields]
    return [word for table in tables for word in _words_in(table.model_fields[names[-1]].annotation)]


def _words_in(annotation: object) -> list[str]:
    if get_origin(annotation) is Literal:
        return [word for word in get_args(annotation) if isinstance(word, str)]
    return [word for part in get_args(annotation) for word in _words_in(part)]


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple, list, Mapping):
        return [variant for part in get_args(annotation) for variant in _models_in(part)]
    return []


def _kinds(table: type[BaseModel]) -> list[str]:
    """The values of the key by which the forms of a table are told apart."""
    fields = [table.model_fields[name] for name in ("kind", "type") if name in table.model_fields]
    return [word for field in fields for word in _words_in(field.annotation)]


def _tags(model: type[BaseModel]) -> frozenset[str]:
    tags: set[str] = set()
    for field in model.model_fields.values():
        for variant in _models_in(field.annotation):
            tags |= _tags(variant) | set(_kinds(variant))
    return frozenset(tags)
