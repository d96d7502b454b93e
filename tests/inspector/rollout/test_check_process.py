"""The check before a bundle may judge has teeth: parity, golden pieces, and a process that may die of a bundle."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from inspector.config.service import load_service
from inspector.dataset.good_class import PROVENANCE_KEY
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, read_manifest, write_manifest
from inspector.dataset.recordings import write_wav
from inspector.rollout import run_check
from inspector.rollout.check_process import CheckRequest, check_bundle
from inspector.rollout.run_check import PreparationCancelledError, RefusedError, checked
from tests.bundles import edit_manifest, grey, save_expert
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set
from tests.inspector.rollout.toys import CONFIG, RECIPE, Rig

GOOD, BAD = 0.2, 0.9


def with_spoiled_int8(folder: Path) -> Path:
    """A form for onnx/int8 whose full expert says the opposite; every hash is right."""
    save_expert(folder / "full.int8.onnx", -16.0)
    part = {"part": "top-full", "file": "full.int8.onnx", "precision": "int8", "seconds": 1.0, "num_bytes": 1}
    form = {"engine": "onnx", "precision": "int8", "compiler": "stand-in", "graphs": [part]}
    digest = hashlib.sha256((folder / "full.int8.onnx").read_bytes()).hexdigest()
    files = json.loads((folder / "bundle.json").read_text())["files"] | {"full.int8.onnx": digest}
    edit_manifest(folder, {"compiled": [form], "files": files})
    return folder


def golden(folder: Path, labels: dict[str, float]) -> None:
    """Good and bad pieces of one grey each, nearly silent, next to a recipe that requires them."""
    rows = []
    write_wav(folder / "silence.wav", np.eye(16, 1, dtype=np.int16), 100)
    for index, (label, mean) in enumerate(labels.items()):
        cv2.imwrite(str(folder / f"{index}.png"), grey(mean))
        row = PieceRow(
            piece_id=f"g{index}",
            images=(ImageRow(camera="top", path=f"{index}.png"),),
            signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path="silence.wav"),),
            label="ok" if label.startswith("ok") else "nok",
            split="test",
        )
        rows.append(row)
    write_manifest(folder / "golden.jsonl", rows)
    (folder / "cup.toml").write_text('golden = "golden.jsonl"\n' + RECIPE)


def request_for(rig: Rig, folder: Path) -> CheckRequest:
    """By the files as they are now."""
    service = load_service(rig.service.path)
    return CheckRequest(folder=folder, recipe=next(iter(service.recipes)), worker=service.config.worker)


def test_a_bundle_that_decides_as_the_oracle_may_judge(rig: Rig) -> None:
    write_toy_set(folder := rig.bundle("a"), toy_pieces(20))
    result = check_bundle(request_for(rig, folder))
    assert (result.outcome, result.engine) == ("passed", "onnx/fp32")
    assert "0 of 20 decisions flip" in result.message


def test_spoiled_scales_are_refused_and_the_pieces_named(rig: Rig) -> None:
    write_toy_set(folder := rig.bundle("a"), toy_pieces(20))
    result = check_bundle(request_for(rig, with_spoiled_int8(folder)))
    assert result.outcome == "refused"
    assert result.message.startswith("onnx/int8: REFUSED: ")
    assert "(unknown): FAIL" in result.message
    assert result.message.endswith("compile the bundle again, or take the engine out of [worker] engines")


def test_a_compiled_form_without_a_parity_set_is_passed_over(rig: Rig) -> None:
    result = check_bundle(request_for(rig, with_spoiled_int8(rig.bundle("a"))))
    assert (result.outcome, result.engine) == ("passed", "onnx/fp32")
    (rig.folder / "service.toml").write_text(CONFIG + '[worker]\nengines = ["onnx/int8"]\n')
    result = check_bundle(request_for(rig, rig.bundle("a")))
    assert result.outcome == "refused"
    assert "not onnx/int8: the bundle has no parity set" in result.message


def test_the_limits_are_those_of_the_recipe(rig: Rig) -> None:
    write_toy_set(folder := rig.bundle("a"), toy_pieces(20))
    (rig.folder / "cup.toml").write_text("pass_below = 0.0\nfail_above = 1.0\n" + RECIPE)
    assert check_bundle(request_for(rig, with_spoiled_int8(folder))).engine == "onnx/int8", "all is REVIEW anyway"


def test_golden_pieces_must_be_decided_rightly(rig: Rig) -> None:
    golden(rig.folder, {"ok": GOOD, "nok": BAD})
    assert "the golden set is decided rightly" in check_bundle(request_for(rig, rig.bundle("a"))).message
    golden(rig.folder, {"ok": GOOD, "ok again": BAD, "nok": GOOD})
    message = check_bundle(request_for(rig, rig.bundle("a"))).message
    assert message.startswith("2 piece(s) of ")
    assert message.endswith("are decided wrongly: g1 (ok): FAIL, g2 (nok): PASS")


def test_a_golden_set_follows_the_classes_that_counted_as_good_in_training(rig: Rig) -> None:
    golden(rig.folder, {"nok": GOOD, "nok too": BAD})
    set_of_pieces = rig.folder / "golden.jsonl"
    named = [row.model_copy(update={"defects": (name,)})
             for row, name in zip(read_manifest(set_of_pieces), ("plain", "crack"), strict=True)]  # fmt: skip
    write_manifest(set_of_pieces, named)
    assert "g0 (nok): PASS" in check_bundle(request_for(rig, rig.bundle("a"))).message
    edit_manifest(folder := rig.bundle("b"), {"provenance": {PROVENANCE_KEY: '["plain"]'}})
    assert "decided rightly" in check_bundle(request_for(rig, folder)).message


def nearly_silent(num_samples: int) -> NDArray[np.int16]:
    """Samples (num_samples, 1) of which one is no zero: silence throughout would not be believed."""
    samples = np.zeros((num_samples, 1), np.int16)
    samples[0] = -1
    return samples


def test_a_golden_piece_is_judged_as_the_service_judges_it(rig: Rig) -> None:
    """Half a recording is too little, a longer one is cut, FLAC is read as training reads it."""
    golden(rig.folder, {"ok": GOOD, "nok": BAD})
    write_wav(rig.folder / "silence.wav", nearly_silent(8), 100)
    assert "g0 (ok): REVIEW" in check_bundle(request_for(rig, rig.bundle("a"))).message
    write_wav(rig.folder / "silence.wav", nearly_silent(40), 100)
    assert "decided rightly" in check_bundle(request_for(rig, rig.bundle("a"))).message
    soundfile.write(rig.folder / "silence.flac", nearly_silent(16), 100)
    set_of_pieces = rig.folder / "golden.jsonl"
    set_of_pieces.write_text(set_of_pieces.read_text().replace(".wav", ".flac"))
    assert "decided rightly" in check_bundle(request_for(rig, rig.bundle("a"))).message


def test_a_golden_recording_of_another_kind_is_refused(rig: Rig) -> None:
    golden(rig.folder, {"ok": GOOD})
    set_of_pieces = rig.folder / "golden.jsonl"
    set_of_pieces.write_text(set_of_pieces.read_text().replace("audio", "vibration"))
    result = check_bundle(request_for(rig, rig.bundle("a")))
    assert result.outcome == "refused"
    assert result.message == "piece g0: sensor mic: kind is vibration, expected audio as in the recipe"


def test_a_golden_set_without_labels_lets_nothing_through(rig: Rig) -> None:
    golden(rig.folder, {"ok": GOOD, "nok": BAD})
    set_of_pieces = rig.folder / "golden.jsonl"
    write_manifest(set_of_pieces, [row.model_copy(update={"label": "unknown"}) for row in read_manifest(set_of_pieces)])
    result = check_bundle(request_for(rig, rig.bundle("a")))
    assert result.outcome == "refused"
    assert result.message.startswith(f"{set_of_pieces}: every label is unknown")


@pytest.mark.parametrize("lost", ["golden.jsonl", "0.png", "silence.wav"])
def test_a_golden_set_that_cannot_be_read_lets_nothing_through(rig: Rig, lost: str) -> None:
    golden(rig.folder, {"ok": GOOD})
    (rig.folder / lost).unlink()
    result = check_bundle(request_for(rig, rig.bundle("a")))
    assert result.outcome == "refused"
    assert lost in result.message


def test_what_is_in_force_counts_and_not_what_the_files_say_by_now(rig: Rig) -> None:
    """Somebody has edited both, and nobody has restarted the service."""
    write_toy_set(folder := rig.bundle("a"), toy_pieces(20))
    request = request_for(rig, with_spoiled_int8(folder))
    (rig.folder / "cup.toml").write_text("parity_max_flips = 1.0\npass_below = 0.0\nfail_above = 1.0\n" + RECIPE)
    rig.service.path.write_text(CONFIG + '[worker]\nengines = ["onnx/fp32"]\n')
    with pytest.raises(RefusedError, match=r"^onnx/int8: REFUSED: "):
        checked(request, lambda: True)


def test_all_that_a_recipe_and_a_worker_say_comes_over(rig: Rig) -> None:
    golden(rig.folder, {"ok": GOOD})
    (rig.folder / "service.toml").write_text(CONFIG + '[worker]\nengines = ["onnx/fp32"]\nthreads = 2\nmax_batch = 3\n')
    request = request_for(rig, rig.bundle("a"))
    assert request.worker.max_batch == 3
    assert CheckRequest.model_validate_json(request.model_dump_json()) == request


def test_the_check_runs_in_a_process_of_its_own(rig: Rig) -> None:
    assert checked(request_for(rig, rig.bundle("a")), lambda: True).engine == "onnx/fp32"
    shutil.rmtree(gone := rig.bundle("b"))
    with pytest.raises(RefusedError, match="cannot be read"):
        checked(request_for(rig, gone), lambda: True)


def test_a_bundle_that_brings_the_process_down_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_check, "_PROGRAM", "import os; os.abort()")
    with pytest.raises(RefusedError, match=r"ended without a result \(exit code -6; .*brings its engine down"):
        checked(request_for(rig, rig.bundle("a")), lambda: True)


def test_words_that_are_no_text_are_words_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_check, "_PROGRAM", r"import sys; sys.stderr.buffer.write(b'gr\xfcn'); sys.exit(3)")
    with pytest.raises(RefusedError, match="exit code 3; gr\ufffdn"):
        checked(request_for(rig, rig.bundle("a")), lambda: True)


def test_the_process_imports_nothing_from_the_folder_it_starts_in(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger of the same name')")
    monkeypatch.chdir(tmp_path)
    assert checked(request_for(rig, rig.bundle("a")), lambda: True).outcome == "passed"


def test_the_process_is_the_first_to_go_where_memory_runs_out(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = run_check._PROGRAM.partition("from inspector")[0]
    tell = "print(open('/proc/self/oom_score_adj').read().strip(), os.nice(0), file=__import__('sys').stderr)"
    monkeypatch.setattr(run_check, "_PROGRAM", begin + tell)
    with pytest.raises(RefusedError, match=f"; 1000 {min(19, os.nice(0) + 19)}"):
        checked(request_for(rig, rig.bundle("a")), lambda: True)


def test_a_call_without_patience_left_gets_no_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_check, "_PROGRAM", "import time; time.sleep(60)")
    with pytest.raises(PreparationCancelledError):
        checked(request_for(rig, rig.bundle("a")), lambda: False)


def test_a_golden_set_takes_flac_as_training_does(rig: Rig) -> None:
    golden(rig.folder, {"ok": GOOD, "nok": BAD})
    soundfile.write(rig.folder / "silence.flac", nearly_silent(16), 100, subtype="PCM_16")
    manifest = rig.folder / "golden.jsonl"
    manifest.write_text(manifest.read_text().replace("silence.wav", "silence.flac"))
    assert "the golden set is decided rightly" in check_bundle(request_for(rig, rig.bundle("a"))).message


def test_a_golden_recording_with_a_nan_is_named(rig: Rig) -> None:
    golden(rig.folder, {"ok": GOOD, "nok": BAD})
    np.save(rig.folder / "nan.npy", np.full(16, np.nan, np.float32))
    manifest = rig.folder / "golden.jsonl"
    manifest.write_text(manifest.read_text().replace("silence.wav", "nan.npy"))
    result = check_bundle(request_for(rig, rig.bundle("a")))
    assert result.outcome == "refused"
    assert "nan.npy: sample 0 of channel 0 is nan" in result.message
