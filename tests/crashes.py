"""Has the writing of a bundle's files end in the middle, as when the power fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from inspector.bundle import files


@contextmanager
def crash_at(number: int, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file of this number, counted from 0, is written by half; `module` has `replace_file` by that name too."""
    replaced: list[str] = []
    whole = files.replace_file

    def replace(path: Path, content: bytes) -> None:
        if len(replaced) == number:
            path.with_name(f"{path.name}.part").write_bytes(content[: len(content) // 2])
            raise KeyboardInterrupt
        replaced.append(path.name)
        whole(path, content)

    with monkeypatch.context() as patch:
        for place in (module, files):
            patch.setattr(place, "replace_file", replace)
        with pytest.raises(KeyboardInterrupt):
            yield
