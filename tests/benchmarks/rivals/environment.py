"""Makes the peers' virtual environment in a cache folder: once, and again when the requirements change."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
INSTALL_BUDGET_S = 900.0


def cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")))
    return base / "inspector-benchmark-rivals"


def interpreter(cache: Path, requirements: Path = REQUIREMENTS) -> Path:
    """Python of an environment with these requirements. Raises CalledProcessError where one does not install."""
    wanted = f"{sys.version}\n{requirements.read_text()}"
    folder = cache / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installs the peers' packages into {folder}", flush=True)
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
        subprocess.run(command, check=True, timeout=INSTALL_BUDGET_S)
        (folder / ".installed").touch()
    return python
