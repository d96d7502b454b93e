"""Entries of the reference of keys."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from inspector.config.reference import reference_lines, sections


class Defaults:
    limit_s: float = 2.0
    """How long to wait."""


class Inner(BaseModel):
    """A table inside."""

    on: bool = False
    """Whether it is on."""


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


class Outer(BaseModel):
    """A file."""

    meanings_from: ClassVar[type] = Defaults

    limit_s: float = Field(default=Defaults.limit_s, gt=0)
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=8)]
    """What it is
    called."""
    either: Literal["a", "b"] | None = None
    """One of two."""
    side: Side = Side.LEFT
    """One of an enum."""
    counts: tuple[Annotated[int, Field(ge=0)], ...] = (1, 2)
    inner: Inner = Inner()
    """The table."""
    more: tuple[Inner, ...] = ()
    """Further tables."""


KEYS = {key.name: key for key in sections(Outer)[0].keys}


@pytest.mark.parametrize(
    ("name", "type_", "default", "unit", "meaning"),
    [
        ("limit_s", "number, above 0", "2", "s", "How long to wait."),
        ("name", "name, at most 8 characters", None, "", "What it is called."),
        ("either", '`"a"` or `"b"`', "-", "", "One of two."),
        ("side", '`"left"` or `"right"`', '"left"', "", "One of an enum."),
        ("counts", "list of whole numbers, each at least 0", "[1, 2]", "", ""),
        ("inner", "table", "-", "", "The table."),
        ("more", "list of tables", "[]", "", "Further tables."),
    ],
)
def test_a_key_in_words(name: str, type_: str, default: str | None, unit: str, meaning: str) -> None:
    key = KEYS[name]
    assert (key.type, key.default, key.unit, key.meaning) == (type_, default, unit, meaning)


def test_tables_follow_the_file_that_holds_them() -> None:
    assert [section.title for section in sections(Outer)] == ["Top level", "[inner]", "[[more]]"]


def test_lines_for_a_terminal() -> None:
    lines = list(reference_lines(Outer))
    assert "  limit_s: number, above 0, in s, default 2" in lines
    assert "  name: name, at most 8 characters, required" in lines
    assert "      How long to wait." in lines
