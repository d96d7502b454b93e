"""Generates the protobuf code in a scratch folder and compares it with the committed code."""

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "protos/inspection/v1"


def generate(out: Path) -> None:
    protos = sorted(f"{FOLDER}/{path.name}" for path in (ROOT / FOLDER).glob("*.proto"))
    arguments = ["protoc", f"-I{ROOT}", f"--python_out={out}", f"--pyi_out={out}"]
    for command in (
        [*arguments, *protos],
        ["protoc", f"-I{ROOT}", f"--grpc_python_out={out}", f"{FOLDER}/service.proto"],
    ):
        if protoc.main(command) != 0:
            sys.exit(f"protoc failed: {' '.join(command)}")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        generated = {path.name: path.read_text() for path in (Path(scratch) / FOLDER).iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / FOLDER).glob("*_pb2*")}
    stale = sorted(name for name in generated.keys() | kept.keys() if generated.get(name) != kept.get(name))
    if stale:
        sys.exit(f"Generated code is out of step: {', '.join(stale)}. Run: make protos")


if __name__ == "__main__":
    main()
