"""Tells from a file's name which piece it belongs to, and which camera or sensor it comes from."""

import re
from collections.abc import Sequence
from typing import NamedTuple

DEFAULT = "{piece}_{source}"
UNFINISHED = (".part", ".tmp", ".temp", ".crdownload", ".swp", ".lock")
"""Endings of files that programs have not finished; they are renamed when they have."""
_PLACEHOLDER = re.compile(r"\{([a-z]*)\}")
_PARTS = {"piece": r"[^/]+?", "product": r"[^/]+?", "number": r"\d{1,6}", "any": r"[^/]*"}
MAX_CHARS = 512


class PatternError(ValueError):
    """A pattern that cannot be used; the message says why and what to do."""


class Named(NamedTuple):
    """What a file's name says."""

    piece: str
    source: str
    """Camera or sensor."""
    product: str = ""
    number: int | None = None
    """Which picture of the camera; None: they are counted in the order of their names."""


class NamePattern:
    """Such as `{piece}_{source}`, `{product}/{piece}/{source}_{number}`: the path below the folder, with `/`, without
    the file's ending. `{any}` matches what does not matter."""

    def __init__(self, text: str | None, sources: Sequence[str]) -> None:
        """`sources`: cameras and sensors. Without a pattern, a single source needs no name in the file's name. Raises
        PatternError."""
        self._sources = tuple(sources)
        texts = (text,) if text else (DEFAULT, f"{DEFAULT}_{{number}}", "{piece}/{source}", "{piece}/{source}_{number}")
        if text is None and len(self._sources) == 1:
            texts = (*texts, "{piece}")
        self.texts = texts
        self._expressions = [re.compile(self._expression(one)) for one in texts]

    def __call__(self, path: str) -> Named | None:
        """`path` below the folder, with `/`. None: the file is none of a piece."""
        name = path.rpartition("/")[2]
        if name.startswith((".", "~")) or name.endswith("~") or name.lower().endswith(UNFINISHED):
            return None
        stem, dot, _ = path.rpartition(".")
        if not dot or len(path) > MAX_CHARS:
            return None
        for expression in self._expressions:
            if match := expression.fullmatch(stem):
                return self._named(match)
        return None

    def _named(self, match: "re.Match[str]") -> Named:
        parts = match.groupdict()
        number = parts.get("number")
        return Named(
            parts["piece"],
            parts.get("source") or self._sources[0],
            parts.get("product") or "",
            None if number is None else int(number),
        )

    def _expression(self, text: str) -> str:
        names = _PLACEHOLDER.findall(text)
        known = {*_PARTS, "source"}
        if unknown := [name for name in names if name not in known]:
            raise PatternError(f"{text!r}: {{{unknown[0]}}} is none of {', '.join(f'{{{n}}}' for n in sorted(known))}")
        if "piece" not in names or any(names.count(name) > 1 for name in known - {"any"}):
            raise PatternError(f"{text!r}: {{piece}} must stand in it, and each placeholder at most once, but {{any}}")
        if "source" not in names and len(self._sources) != 1:
            raise PatternError(
                f"{text!r}: without {{source}} nobody knows which of {', '.join(self._sources) or 'no sources'} a file "
                "comes from; write {source} where the camera's or sensor's name stands"
            )
        return "".join(
            self._group(part, is_name=number % 2 == 1) for number, part in enumerate(_PLACEHOLDER.split(text))
        )

    def _group(self, part: str, *, is_name: bool) -> str:
        if not is_name:
            return re.escape(part)
        if part == "any":
            return _PARTS[part]
        names = sorted(self._sources, key=len, reverse=True)
        inner = "|".join(map(re.escape, names)) if part == "source" else _PARTS[part]
        return f"(?P<{part}>{inner})"
