"""What `doctor` finds, on a machine arranged for it."""

import json
import os
import re
import socket
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.cli.doctor import summary
from inspector.config.tables import WorkerTable
from inspector.diagnostics import doctor, source_packages
from inspector.diagnostics.doctor import Finding, bundle_findings, examine
from inspector.engines.engine import EngineSettings
from streams.references import addresses
from tests.bundles import write_toy_bundle
from tests.standins.cuda import Faults
from tests.standins.gpus import StandInGpu, compiled_toy
from tests.texts import camera_recipe_text

KAFKA = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "kafka"
bootstrap_servers = ["127.0.0.1:{port}"]
"""


@cache
def asked(path: str, *words: Any) -> Finding:
    """What a program on this PATH answers to the words of `_program`."""
    return ask_program(*words)


ask_program = doctor._program


@pytest.fixture(autouse=True)
def programs_answer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Java and Maven take most of the time of an examination."""
    monkeypatch.setattr(doctor, "_program", lambda *words: asked(os.environ["PATH"], *words))


def test_what_serving_needs_is_found_here() -> None:
    findings = {finding.subject: finding for finding in examine()}
    for subject in ("Python", "processor cores", "memory", "embedded log", "TLS", "engine onnx"):
        assert findings[subject].state == "ok", findings[subject]


def test_everything_that_is_absent_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    findings = examine()
    absent = [finding for finding in findings if finding.state != "ok"]
    assert {"Java (test broker)", "Maven (test broker)"} <= {finding.subject for finding in absent}
    assert all(finding.remedy for finding in absent)


def test_a_broker_that_does_not_answer_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.diagnostics.kafka_cluster.COMMAND_PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        path = tmp_path / "service.toml"
        path.write_text(KAFKA.format(port=port))
        findings = {finding.subject: finding for finding in examine(path)}
        assert findings[f"broker 127.0.0.1:{port}"].state == "ok"
        assert findings["Kafka and its topics"].state == "wrong"
        assert "answers no request" in findings["Kafka and its topics"].detail
    last = examine(path)[-1]
    assert (last.subject, last.state) == (f"broker 127.0.0.1:{port}", "wrong")
    assert "make broker" in last.remedy


def test_a_wrong_configuration_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text("line = 3")
    assert examine(path)[-1].subject == "configuration"


@pytest.mark.parametrize(
    ("key", "state", "detail"),
    [
        ("", "ok", "no promise asked about misses"),
        ("certified_miss_rate = 0.008", "optional", "not certifiable at 0.8 %: the bundle has no certificate"),
    ],
)
def test_promises_about_misses_are_reported(tmp_path: Path, key: str, state: str, detail: str) -> None:
    write_toy_bundle(tmp_path / "bundle")
    (tmp_path / "recipe.toml").write_text(camera_recipe_text(keys=key))
    path = tmp_path / "service.toml"
    path.write_text(KAFKA.format(port=1))
    (promise,) = (finding for finding in examine(path) if finding.subject == "misses, cup")
    assert (promise.state, bool(promise.remedy)) == (state, state != "ok")
    assert detail in promise.detail


def test_a_bundle_is_reported_in_every_engine_of_the_order(tmp_path: Path) -> None:
    gpu = StandInGpu()
    folder = compiled_toy(tmp_path / "cups", gpu)
    findings = {
        f.subject: (f.state, f.detail)
        for f in bundle_findings(folder, WorkerTable().engine_preferences, lambda: gpu.api)
    }
    assert findings["cups in tensorrt/fp16"] == ("ok", "runs here and is used")
    assert findings["cups in onnx/fp32"] == ("ok", "runs here")
    assert findings["cups in onnx/int8"] == ("optional", "the bundle is not compiled for it")
    assert (len(findings), gpu.trt.seen, gpu.cuda.num_mallocs) == (6, 0, 0)


def test_a_form_that_cannot_run_has_its_reason_and_remedy_apart(tmp_path: Path) -> None:
    gpu = StandInGpu(Faults(no_driver=True))
    folder = compiled_toy(tmp_path / "cups", gpu)
    form, bundle = bundle_findings(folder, [EngineSettings.parse("tensorrt/fp16")], lambda: gpu.api)
    assert (form.state, form.detail) == ("optional", "no CUDA driver (libcuda.so.1 not found)")
    assert form.remedy.startswith("install NVIDIA's driver")
    assert (bundle.state, bundle.detail) == ("wrong", "none of the engines runs it here")
    assert '"onnx/fp32"' in bundle.remedy


def test_the_bundles_of_a_configuration_are_reported(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "bundle")
    (tmp_path / "recipe.toml").write_text(camera_recipe_text())
    path = tmp_path / "service.toml"
    path.write_text(KAFKA.format(port=1) + '[worker]\nengines = ["onnx/fp32"]')
    (form,) = (finding for finding in examine(path) if finding.subject.startswith("bundle in"))
    assert (form.subject, form.state) == ("bundle in onnx/fp32", "ok")


def test_a_folder_without_a_bundle_is_wrong(tmp_path: Path) -> None:
    (finding,) = bundle_findings(tmp_path / "none", WorkerTable().engine_preferences)
    assert (finding.state, "cannot be read" in finding.detail) == ("wrong", True)


def test_text_of_a_bundle_is_shown_without_its_escapes(tmp_path: Path) -> None:
    """Neither a terminal's escapes nor this table's own markup are obeyed."""
    folder = write_toy_bundle(tmp_path / "bundle")
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["\x1b]0;x\x07[red]"] = 1
    (folder / "bundle.json").write_text(json.dumps(manifest))
    shown = CliRunner().invoke(main, ["doctor", str(folder)]).output
    assert re.search("[\x00-\x09\x0b-\x1f]", shown) is None
    assert r"\x1b]0;x\x07[red]" in shown


def test_a_prefix_that_needs_a_package_which_is_absent_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "service.toml"
    path.write_text(KAFKA.format(port=1) + '[references]\nallowed_prefixes = ["s3://frames/", "file:///frames"]')
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    s3, local = (finding for finding in examine(path) if finding.subject.startswith("images below"))
    assert (s3.state, s3.detail, s3.remedy) == (
        "wrong",
        "s3fs is not installed",
        "in the checkout, pip install '.[s3]'",
    )
    assert local.state == "ok"


def test_the_first_line_says_whether_all_is_well() -> None:
    fine, absent = Finding("Python", "ok", "3.11"), Finding("Maven", "optional", "not there")
    assert summary([fine, absent]) == (
        "All is well: the service runs here. 1 row(s) marked -- are not needed to judge pieces."
    )
    assert "cannot run here as it is: log file" in summary([fine, Finding("log file", "wrong", "no right")])


def test_packages_of_sources_that_are_absent_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(source_packages, "version", version)
    findings = {finding.subject: finding for finding in source_packages.source_findings()}
    assert {subject: finding.state for subject, finding in findings.items()} == {
        "source microphone": "optional",
        "source genicam": "optional",
        "TDMS files": "optional",
    }
    assert "pip install '.[microphone]'" in findings["source microphone"].remedy


def test_a_microphone_without_portaudio_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(source_packages, "version", lambda _: "0.5")
    monkeypatch.setattr("inspector.diagnostics.source_packages.importlib.import_module", broken)
    finding = source_packages.source_findings()[0]
    assert (finding.state, finding.detail) == ("optional", "PortAudio library not found")
    assert "libportaudio2" in finding.remedy
