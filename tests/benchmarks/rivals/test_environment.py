"""The peers' environment is made once for its requirements; requirements name exact versions, as the project's do."""

import re
from pathlib import Path

import pytest

from tests.benchmarks.rivals import environment
from tests.benchmarks.setting import ROOT

SHARED = ("numpy", "onnxruntime", "opencv-python-headless", "protobuf")


def versions(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s#]+)", path.read_text(), re.MULTILINE))


def test_the_peers_run_the_same_runtime_and_decoder_as_the_project() -> None:
    peers, project = versions(environment.REQUIREMENTS), versions(ROOT / "constraints.txt")
    assert {name: peers[name] for name in SHARED} == {name: project[name] for name in SHARED}


def test_every_requirement_is_an_exact_version() -> None:
    lines = [line for line in environment.REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert len(versions(environment.REQUIREMENTS)) == len(lines)


def test_an_environment_is_made_once_for_its_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("venv.create", lambda folder, with_pip: folder.mkdir(parents=True))
    monkeypatch.setattr("subprocess.run", lambda command, **_: commands.append(command))
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a==1")
    first = environment.interpreter(tmp_path / "cache", requirements)
    assert environment.interpreter(tmp_path / "cache", requirements) == first
    assert commands == [[str(first), "-m", "pip", "install", "--quiet", "-r", str(requirements)]]
    requirements.write_text("a==2")
    assert environment.interpreter(tmp_path / "cache", requirements) != first
    assert len(commands) == 2
