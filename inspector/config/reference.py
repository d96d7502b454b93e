"""Turns pydantic models into a reference of their keys: name, type, default, unit, meaning.

The meaning of a key is the docstring under its field. A key without one takes the docstring of the same
field in the settings class that the model names in `meanings_from`, which states the default, too.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from inspector.config.value_words import shown, type_words

UNITS: Mapping[str, str] = {
    "_per_s": "per second",
    "_ns": "ns since the Unix epoch",
    "_ms": "ms",
    "_hz": "Hz",
    "_px": "px",
    "_deg": "degrees",
    "_bytes": "bytes",
    "_s": "s",
    "_seconds": "s",
}
"""By the ending of a key's name; the first match counts."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a file."""

    name: str
    type: str
    """In words, with the range of values."""
    default: str | None
    """As written in the file; None: the key is required."""
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one table of a file."""

    path: str
    """"" for the top of the file, `log.tls` for a table, `sensors[]` for a list of tables."""
    variant: str
    """Variant of the table, such as `kind = "kafka"`; "" if there is only one."""
    model: type[BaseModel]
    keys: tuple[Key, ...]

    @property
    def title(self) -> str:
        """The table's header as written in the file."""
        name = self.path.replace("[]", "")
        head = f"[[{name}]]" if self.path.endswith("[]") else f"[{name}]" if name else "Top level"
        return f"{head} with {self.variant}" if self.variant else head

    @property
    def meaning(self) -> str:
        return inspect.cleandoc(self.model.__doc__ or "")


def sections(model: type[BaseModel]) -> list[Section]:
    """The tables of a file that `model` describes: the top of the file first, each before the tables inside it."""
    by_place: dict[tuple[str, type[BaseModel]], Section] = {}
    for section in _walk(model, "", ""):
        by_place.setdefault((section.path, section.model), section)
    return list(by_place.values())


def reference_lines(model: type[BaseModel]) -> Iterator[str]:
    """The reference of a file's keys for a terminal."""
    for number, section in enumerate(sections(model)):
        if number:
            yield ""
        yield section.title
        yield from (f"  {line}".rstrip() for line in section.meaning.splitlines())
        for key in section.keys:
            value = "required" if key.default is None else f"default {key.default}"
            unit = f", in {key.unit}" if key.unit else ""
            yield f"  {key.name}: {key.type.replace('`', '')}{unit}, {value}"
            yield from (f"      {line}" for line in textwrap.wrap(key.meaning, 100))


def _walk(model: type[BaseModel], path: str, variant: str) -> Iterator[Section]:
    yield Section(path, variant, model, tuple(_key(model, name, field) for name, field in model.model_fields.items()))
    for name, field in model.model_fields.items():
        inner, is_list = models_in(field.annotation), _is_list(field.annotation)
        below = f"{path.replace('[]', '')}.{field.alias or name}".lstrip(".") + ("[]" if is_list else "")
        below += ".NAME" if get_origin(field.annotation) is Mapping else ""
        for table in inner:
            yield from _walk(table, below, _variant(table) if len(inner) > 1 else "")


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Models allowed at a key: several if the table has variants."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple, list, Mapping):
        return [model for part in get_args(annotation) for model in models_in(part)]
    return []


def _is_list(annotation: object) -> bool:
    if get_origin(annotation) in (tuple, list):
        return True
    return any(_is_list(part) for part in get_args(annotation) if get_origin(annotation) in (Union, UnionType))


def _variant(model: type[BaseModel]) -> str:
    """The value of its discriminator."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is Literal and len(values := get_args(field.annotation)) == 1:
            return f"{name} = {shown(values[0])}"
    return model.__name__


def _key(model: type[BaseModel], name: str, field: FieldInfo) -> Key:
    default = None if field.is_required() else shown(field.get_default(call_default_factory=True))
    return Key(
        field.alias or name,
        type_words(field.annotation, field.metadata),
        default,
        unit_of(name),
        meaning_of(model, name),
    )


def unit_of(name: str) -> str:
    """The unit that the name ends in; "" for a name without one."""
    return next((unit for ending, unit in UNITS.items() if f"_{name}".endswith(ending)), "")


def meaning_of(model: type, name: str) -> str:
    """The docstring under a field in the class, its bases, or the classes in `meanings_from`; "" without one."""
    for owner in model.__mro__:
        if text := _docstrings(owner).get(name):
            return text
    sources = getattr(model, "meanings_from", ())
    texts = (meaning_of(source, name) for source in (sources if isinstance(sources, tuple) else (sources,)))
    return next(filter(None, texts), "")


@cache
def _docstrings(owner: type) -> Mapping[str, str]:
    """Docstrings under the annotated attributes of a class, by attribute."""
    if owner.__module__ in ("builtins", "abc", "typing") or owner is BaseModel:
        return {}
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    except (OSError, TypeError, SyntaxError):  # no source here: an executable made of the package
        return {}
    texts: dict[str, str] = {}
    statements: Sequence[ast.stmt] = body.body if isinstance(body, ast.ClassDef) else []
    for statement, following in itertools.pairwise(statements):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    texts[statement.target.id] = " ".join(inspect.cleandoc(text).split())
    return texts
