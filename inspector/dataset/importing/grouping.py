"""Which pieces belong together: by a regular expression, by folder, or each file by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from inspector.dataset.importing.items import DataImportError

FOLDER = "folder"
FILE = "file"
RESERVED = ("image", "signal")
"""In a manifest these mean the group of all cameras, and of all sensors."""


@dataclass(frozen=True)
class Grouping:
    """`pattern` None: by folder if `by_folder`, else each file by itself."""

    pattern: re.Pattern[str] | None = None
    by_folder: bool = False

    @property
    def is_given(self) -> bool:
        return self.by_folder or self.pattern is not None

    @classmethod
    def of(cls, text: str | None) -> "Grouping":
        """Raises DataImportError."""
        if text is None or text == FOLDER:
            return cls(by_folder=text == FOLDER)
        pattern = compiled(text, "--group-by")
        if pattern.groups == 0:
            raise DataImportError(
                f"--group-by {text!r} captures nothing: put the part of the path that names the group into (), such as "
                r"'lot(\d+)'"
            )
        return cls(pattern)

    def groups_of(self, path: PurePath) -> Mapping[str, str]:
        """`path`: relative to the source. Raises DataImportError where the pattern does not match."""
        if self.by_folder:
            return {FOLDER: path.parent.as_posix()}
        if self.pattern is None:
            return {FILE: path.as_posix()}
        match = self.pattern.search(path.as_posix())
        if match is None:
            raise DataImportError(
                f"{path.as_posix()}: does not match --group-by {self.pattern.pattern!r}; match all files"
            )
        named = {name: value for name, value in match.groupdict().items() if value is not None}
        return named or {"group": match[1] or ""}


EACH_FILE = Grouping()


def compiled(text: str, option: str) -> re.Pattern[str]:
    """Raises DataImportError."""
    try:
        pattern = re.compile(text)
    except re.error as exc:
        raise DataImportError(f"{option} {text!r} is no regular expression ({exc}); correct it") from exc
    for name in RESERVED:
        if name in pattern.groupindex:
            raise DataImportError(f"{option} {text!r}: a group called {name} means all cameras or sensors; rename it")
    return pattern
