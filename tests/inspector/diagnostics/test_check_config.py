"""`check`: its figures and its problems."""

import hashlib
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.config.service import Service, load_service
from inspector.diagnostics.check_config import check, latency_budget
from inspector.diagnostics.memory import memory_parts, signal_bytes_per_station
from inspector.inference.framed_views import KEPT_BYTES
from inspector.recipe.compatibility import read_bundle
from streams.decode.limits import Limits
from streams.embedded import EmbeddedLog
from streams.log import LogError
from streams.references import addresses
from tests.texts import service_text

TABLES = """
[join]
max_delay_s = {max_delay_s}
dedup_horizon_s = 10.0
read_ahead_s = 5.0
[references]
allowed_prefixes = [{prefixes}]
"""
RECIPE = """
name = "disc"
version = "1"
bundle = "bundle"
deadline_s = {deadline_s}
[[cameras]]
name = "top"
[[sensors]]
name = "{sensor}"
kind = "{kind}"
sample_rate_hz = {rate}
end_s = {end_s}
"""
VALUES = {
    "max_delay_s": 0.5,
    "deadline_s": 2.0,
    "sensor": "mic",
    "kind": "audio",
    "rate": 16000,
    "end_s": 0.25,
    "prefixes": "",
}


def bundle(folder: Path) -> None:
    """A bundle as far as `check` looks: it opens no graph, and an empty one is one."""
    folder.mkdir()
    (folder / "a.onnx").write_bytes(b"")
    expert = {"scout": True, "file": "a.onnx", "num_tokens": 1, "cost_ms": 4.0}
    image = {"type": "image", "tile_height_px": 8, "tile_width_px": 8}
    signal = {"type": "signal", "sample_rate_hz": 16000, "num_samples": 4000, "num_channels": 1}
    content = {
        "name": "b",
        "version": "1",
        "token_dim": 4,
        "modalities": [{"name": "top", "kind": "image"}, {"name": "mic", "kind": "audio"}],
        "experts": [
            expert | {"name": "eye", "modality": "top", "input": image},
            expert | {"name": "ear", "modality": "mic", "input": signal},
        ],
        "head": {"file": "a.onnx", "cost_ms": 2.0},
        "calibrations": [
            {"experts": ["ear", "eye"], "temperature": 1.0, "bias": 0.0, "pass_below": 0.2, "fail_above": 0.8}
        ],
        "policy": {"mode": "dense"},
        "files": {"a.onnx": hashlib.sha256(b"").hexdigest()},
    }
    (folder / "bundle.json").write_text(json.dumps(content))


def service_with(folder: Path, **changes: object) -> Service:
    values = VALUES | changes
    (folder / "service.toml").write_text(service_text("recipe.toml", TABLES.format(**values)))
    (folder / "recipe.toml").write_text(RECIPE.format(**values))
    bundle(folder / "bundle")
    return load_service(folder / "service.toml")


def test_a_camera_of_large_pictures_is_told_what_a_record_takes(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    path = tmp_path / "bundle" / "bundle.json"
    content = json.loads(path.read_text())
    content["modalities"][0]["framing"] = {"width_px": 2048, "height_px": 20_000}
    path.write_text(json.dumps(content))
    text = "\n".join(check(service).lines)
    assert "raw pixels of 2048 x 20000 px take 39.1 MiB at least, a record 8.0 MiB at most" in text


def test_a_fitting_service_is_explained_without_a_problem(tmp_path: Path) -> None:
    report = check(service_with(tmp_path), chunk_s=0.1)
    assert report.problems == ()
    text = "\n".join(report.lines)
    assert "4000 samples from +0 s to +0.25 s around 'entered'" in text
    assert "= 0.430 s; with a silent source + 0.500 = 0.930 s; deadline 2.000 s" in text
    assert "memory at most" in text
    assert "more than 0.9 s (max_source_offset_s)" in text
    assert "clients' requests at most, per gateway: being read 297 + waiting to be judged 64 + being judged 321" in text


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("recipe.toml/log.sqlite", "recipe.toml is not a folder"),
        ("recipe.toml/below/log.sqlite", "recipe.toml is not a folder"),
        ("recipe.toml", "recipe.toml is not a database"),
        ("/dev/null", "/dev/null is not a regular file"),
        ("/proc/log.sqlite", "cannot create a file in /proc"),
        ("/proc/new/log.sqlite", "cannot create a file in /proc"),
    ],
)
def test_a_log_that_serve_refuses_is_a_problem(tmp_path: Path, place: str, expected: str) -> None:
    service = service_with(tmp_path)
    log = service.config.log.model_copy(update={"path": tmp_path / place})
    refused = replace(service, config=service.config.model_copy(update={"log": log}))
    (problem,) = check(refused).problems
    assert problem.key == "log.path"
    assert expected in problem.expectation
    with pytest.raises(LogError):
        EmbeddedLog(tmp_path / place).close()


def test_looking_at_the_place_of_a_log_leaves_nothing_there(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    log = service.config.log.model_copy(update={"path": tmp_path / "new" / "folder" / "log.sqlite"})
    assert check(replace(service, config=service.config.model_copy(update={"log": log}))).problems == ()
    assert sorted(tmp_path.rglob("*")) == before
    with closing(EmbeddedLog(tmp_path / "log.sqlite")):
        assert check(service).problems == ()


def test_memory_is_the_sum_of_what_has_a_bound(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    parts = memory_parts(service)
    join = service.config.join
    assert (parts["signals"], parts["pieces until they are judged"]) == (join.max_signal_bytes, join.max_open_bytes)
    assert parts["a record in decoding"] == 3 * Limits().max_image_bytes
    assert parts["verdicts until they are committed"] == 2 * service.config.worker.max_verdicts_per_commit * 2 * 65536
    text = "\n".join(check(service).lines)
    assert f"= {sum(parts.values()) / 2**20:.0f} MiB" in text
    assert memory_parts(service, is_framed=True) == parts | {"cut pictures": KEPT_BYTES}
    assert "cut pictures" not in text
    assert "a station keeps up to 1.0 MiB, so 532 stations of a shard have room" in text
    assert "each further shard of a worker takes 1024 MiB more" in text


@pytest.mark.parametrize(
    ("cores", "line", "ahead_bytes"),
    [
        (1, "cores: 1 (as [worker] cores says); one thread does all", 0),
        (4, "cores: 4 (as [worker] cores says); pieces are judged next to reading and joining", 64 * 2**20),
    ],
)
def test_cores_are_explained_with_their_memory(tmp_path: Path, cores: int, line: str, ahead_bytes: int) -> None:
    service = service_with(tmp_path)
    worker = service.config.worker.model_copy(update={"cores": cores})
    service = replace(service, config=service.config.model_copy(update={"worker": worker}))
    assert line in check(service).lines
    assert memory_parts(service)["frames decoded ahead"] == ahead_bytes


def test_a_bound_below_what_one_station_needs_is_a_problem(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    join = service.config.join.model_copy(update={"max_signal_bytes": 1_000_000})
    tight = replace(service, config=service.config.model_copy(update={"join": join}))
    assert any("need 1008000 bytes" in str(problem) for problem in check(tight).problems)


def test_the_budget_adds_window_chunk_delay_inference_and_commit(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    recipe = next(iter(service.recipes))
    budget = latency_budget(service, recipe, None, chunk_s=0.2)
    assert budget.worst_s == pytest.approx(0.25 + 0.2 + 0.5 + 0.02 + 0.05)
    assert budget.usual_s == pytest.approx(budget.worst_s - 0.5)


def test_an_expert_takes_its_time_for_every_frame(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    one = next(iter(service.recipes))
    three = one.model_copy(update={"cameras": (one.cameras[0].model_copy(update={"num_frames": 3}),)})
    budgets = [latency_budget(service, recipe, read_bundle(one.bundle), chunk_s=0.2) for recipe in (one, three)]
    assert [budget.inference_s for budget in budgets] == pytest.approx(
        [0.004 + 0.004 + 0.002, 3 * 0.004 + 0.004 + 0.002]
    )


def test_kept_signals_are_retention_times_rate(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    recipe = next(iter(service.recipes))
    assert signal_bytes_per_station(service, recipe) == (10 + 5 + 0.5 + 0.25) * 16_000 * 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"deadline_s": 0.9}, "a verdict may take 0.930 s when a source is silent"),
        ({"sensor": "ear"}, "no expert of bundle 'b' looks at it (it knows mic, top)"),
        ({"sensor": "ear"}, "needs it and the recipe does not name it"),
        ({"kind": "vibration"}, "is vibration here and audio in the bundle"),
        ({"rate": 8000}, "sample_rate_hz is 8000 here and 16000 for expert 'ear'"),
        ({"end_s": 0.2}, "the window's length in samples is 3200 here and 4000 for expert 'ear'"),
    ],
)
def test_what_cannot_work_is_a_problem(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    problems = [str(problem) for problem in check(service_with(tmp_path, **changes)).problems]
    assert any(expected in problem for problem in problems), problems


def test_what_is_promised_about_misses_is_said(tmp_path: Path) -> None:
    text = "\n".join(check(service_with(tmp_path)).lines)
    assert "misses: no promise asked about misses (certified_miss_rate); bundle: no certificate" in text


def test_what_is_believed_whatever_it_shows_is_said(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    text = "\n".join(check(service).lines)
    assert "plausibility of mic: no limits in the bundle; `inspector plausibility` learns them" in text
    path = tmp_path / "recipe.toml"
    path.write_text(path.read_text().replace("[[sensors]]", '[[sensors]]\nplausibility = "off"'))
    text = "\n".join(check(load_service(tmp_path / "service.toml")).lines)
    assert "plausibility of mic: off, so a black picture or a silent sensor may pass" in text


def test_a_damaged_bundle_is_a_problem_and_the_rest_is_still_explained(tmp_path: Path) -> None:
    service = service_with(tmp_path)
    (tmp_path / "bundle" / "a.onnx").write_bytes(b"other")
    report = check(service)
    assert any("SHA-256" in str(problem) for problem in report.problems)
    assert any("latency" in line for line in report.lines)


def test_a_prefix_that_needs_a_package_which_is_absent_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(tmp_path, prefixes='"file:///frames", "s3://frames/", "https://store/"')
    assert "images that frames refer to 512 =" in "\n".join(check(service).lines)
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    (problem,) = check(service).problems
    assert str(problem).endswith(
        "service.toml: references.allowed_prefixes = s3://frames/: needs the package s3fs, which is not installed; "
        "in the checkout, pip install '.[s3]'"
    )


@pytest.mark.parametrize(
    ("trained", "recipe", "expected"),
    [
        (12, "", "bit_depth is not given here and 12 in the bundle"),
        (12, "bit_depth = 10", "bit_depth is 10 here and 12 in the bundle"),
        (12, "bit_depth = 12", None),
        (None, "bit_depth = 12", None),
    ],
)
def test_a_recipe_of_another_bit_depth_than_the_bundle_is_a_problem(
    tmp_path: Path, trained: int | None, recipe: str, expected: str | None
) -> None:
    described, bundle_file = service_with(tmp_path), tmp_path / "bundle" / "bundle.json"
    known = json.loads(bundle_file.read_text())
    known["modalities"][0]["bit_depth"] = trained
    bundle_file.write_text(json.dumps(known))
    text = (tmp_path / "recipe.toml").read_text().replace('name = "top"', f'name = "top"\n{recipe}')
    (tmp_path / "recipe.toml").write_text(text)
    problems = "\n".join(map(str, check(load_service(described.path)).problems))
    assert problems == "" if expected is None else expected in problems
