"""Label Studio's own reader, in an environment of its own: its package pins OpenCV below the version that we need.

The environment is made once, in `build/`, from the package index, and kept.
"""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "label-studio-sdk==2.1.2"
FOLDER = Path(__file__).parents[1] / "build" / "label-studio"
INSTALL_S, READ_S = 600, 120
_READ = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
interface = LabelInterface(open(sys.argv[2], encoding="utf-8").read())
interface.validate()
tasks = json.load(open(sys.argv[1], encoding="utf-8"))
print(json.dumps([
    {"id": task["id"],
     "fits": interface.validate_task({"data": task["data"]}),
     "annotations": [interface.validate_annotation(each) for each in task["annotations"]],
     "predictions": [interface.validate_prediction(each, return_errors=True) for each in task["predictions"]]}
    for task in tasks
]))
"""


def read_tasks(tasks: Path, interface: Path) -> list[dict[str, object]]:
    """Label Studio's check of each task: whether its data fit the interface, and errors in its answers."""
    command = [str(_python()), "-c", _READ, str(tasks), str(interface)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=READ_S).stdout
    checked: list[dict[str, object]] = json.loads(output.splitlines()[-1])
    return checked


def to_coco(tasks: Path, interface: Path, out: Path) -> dict[str, list[dict[str, object]]]:
    """What Label Studio's converter makes of the boxes."""
    code = (
        "import sys; from label_studio_sdk.converter import Converter; "
        "Converter(sys.argv[2], project_dir=None, download_resources=False)"
        ".convert_to_coco(sys.argv[1], sys.argv[3], is_dir=False)"
    )
    command = [str(_python()), "-c", code, str(tasks), str(interface), str(out)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=READ_S)
    coco: dict[str, list[dict[str, object]]] = json.loads((out / "result.json").read_text())
    return coco


def _python() -> Path:
    """Skips the test where the package cannot be fetched."""
    python = FOLDER / "bin" / "python"
    FOLDER.parent.mkdir(exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / ".installed").exists():
            # Our pip, and no compiling of thousands of files of which few are imported: 15 s of CPU in place of 29.
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", FOLDER], check=True, timeout=INSTALL_S)
            options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
            pip = [sys.executable, "-m", "pip", "--python", str(FOLDER), "install", *options, PACKAGE]
            try:
                done = subprocess.run(pip, capture_output=True, text=True, timeout=INSTALL_S)
            except subprocess.TimeoutExpired:
                pytest.skip(f"{PACKAGE} was not installed within {INSTALL_S} s: the package index is too slow here")
            if done.returncode:
                last = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
                pytest.skip(f"{PACKAGE} cannot be installed ({last}): the package index cannot be reached from here")
            (FOLDER / ".installed").touch()
    return python
