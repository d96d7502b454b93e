"""Runs `inspector` as on a machine without the training half: importing any part of it fails as if not installed.

python -m tests.integration.without_training serve --config FILE
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

ABSENT = frozenset({"torch", "torchvision", "timm", "librosa", "onnx", "onnxscript", "sklearn", "safetensors"})


class Absent:
    """A finder that is asked first, and knows that these modules are not there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        top = name.partition(".")[0]
        if top in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=top)
        return None


def main() -> None:
    sys.meta_path.insert(0, Absent())
    from inspector.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
