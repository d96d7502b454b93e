"""A parity set made of a draft holds what torch says of the pieces nearest the limits and of others by lot."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from inspector.bundle.schema import Bundle, Expert, Head
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, write_manifest
from inspector.dataset.recordings import write_wav
from inspector.parity.archive import ParitySet
from inspector.parity.evaluate import Judgement
from inspector.parity.gate import check
from inspector.parity.schema import Prediction
from inspector.recipe.decision import Limits
from tests.certificates import claimless

if TYPE_CHECKING:
    from inspector.training.export import TrainedBundle

pytestmark = pytest.mark.train
NUM = 24


def write_pieces(folder: Path) -> Path:
    """16-bit and 8-bit pictures, grey and coloured, sound as WAV, vibration as float; one piece without sound."""
    random = np.random.default_rng(4)
    rows = []
    for number in range(NUM):
        dtype = (np.uint8, np.uint16)[number % 2]
        shape = ((60, 80), (60, 80, 3))[number % 3 == 0]
        cv2.imwrite(str(folder / f"{number}.png"), random.integers(0, np.iinfo(dtype).max, shape, dtype))
        write_wav(folder / f"{number}.wav", random.integers(-9000, 9000, (4096, 1)).astype(np.int16), 16_000)
        np.save(folder / f"{number}.npy", random.normal(size=(512, 2)).astype(np.float32))
        sound = SignalRow(sensor="microphone", kind="audio", sample_rate_hz=16_000, path=f"{number}.wav")
        shake = SignalRow(sensor="vibration", kind="vibration", sample_rate_hz=1000, path=f"{number}.npy")
        rows.append(
            PieceRow(
                piece_id=f"n{number}",
                images=(ImageRow(camera="camera", path=f"{number}.png"),),
                signals=(shake,) if number == 5 else (sound, shake),
                label="nok" if number % 4 == 0 else "ok",
                split="calibration" if number < NUM - 4 else "test",
                product="cup",
            )
        )
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def write_bare_bundle(folder: Path, trained: "TrainedBundle") -> Path:
    """A bundle of the draft with empty files for graphs: making a set opens none."""
    folder.mkdir()
    experts = [
        Expert(
            name=expert.name, modality=expert.modality, scout=expert.scout, file=f"{expert.name}.onnx",
            input=expert.input, num_tokens=expert.num_tokens, cost_ms=1.0,
        )
        for expert in trained.experts
    ]  # fmt: skip
    for name in ("head", *(expert.name for expert in experts)):
        (folder / f"{name}.onnx").touch()
    bundle = Bundle(
        name=trained.name, version=trained.version, classes=trained.classes, token_dim=trained.token_dim,
        modalities=trained.modalities, experts=tuple(experts), head=Head(file="head.onnx", cost_ms=1.0),
        calibrations=trained.calibrations, policy=trained.policy,
        files={path.name: hashlib.sha256(b"").hexdigest() for path in folder.iterdir()},
    )  # fmt: skip
    (folder / "bundle.json").write_text(bundle.model_dump_json())
    return folder


@pytest.fixture(scope="module")
def parity_set(tmp_path_factory: pytest.TempPathFactory) -> ParitySet:
    """The second of two sets that were put into one bundle."""
    from inspector.training.parity_set import Sampling, add_parity_set
    from inspector.training.untrained_bundle import untrained

    root, trained = tmp_path_factory.mktemp("parity"), untrained()
    bundle, manifest = write_bare_bundle(root / "bundle", trained), write_pieces(root)
    add_parity_set(bundle, trained, manifest, Sampling(8), lambda done, total: None)
    return add_parity_set(bundle, trained, manifest, Sampling(14, seed=3), lambda done, total: None)


def test_half_of_the_pieces_are_nearest_the_limits(parity_set: ParitySet) -> None:
    about = parity_set.about
    assert (len(parity_set.pieces), about.num_nearest, about.num_calibration, about.seed) == (14, 7, NUM - 4, 3)
    assert about.oracle.startswith("torch ")
    assert {piece.piece_id for piece in parity_set.pieces} < {f"n{number}" for number in range(NUM - 4)}


def test_recordings_are_png_and_flac_and_npy_where_flac_holds_no_such(parity_set: ParitySet) -> None:
    suffixes = {source.sensor: Path(source.file).suffix for piece in parity_set.pieces for source in piece.signals}
    assert suffixes == {"microphone": ".flac", "vibration": ".npy"}
    assert {Path(image.file).suffix for piece in parity_set.pieces for image in piece.images} == {".png"}
    assert len(parity_set.about.notes) == 1
    assert "recordings of vibration are .npy: FLAC holds 16-bit integers" in parity_set.about.notes[0]


def test_the_line_sees_what_training_saw(parity_set: ParitySet) -> None:
    from inspector.dataset.manifest import read_manifest
    from inspector.evaluation.observations import observe

    root = parity_set.path.parents[1]
    rows = {row.piece_id: row for row in read_manifest(root / "manifest.jsonl")}
    for piece, result in zip(parity_set.pieces, parity_set.observations(parity_set.pieces), strict=True):
        row = rows[piece.piece_id]
        expected = observe(root, row)
        assert (piece.label, piece.product) == (row.label, row.product)
        pairs = zip(result.views["camera"].images, expected.views["camera"].images, strict=True)
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
        assert result.clips.keys() == expected.clips.keys()
        for name, clip in result.clips.items():
            assert np.array_equal(np.asarray(clip.samples), np.asarray(expected.clips[name].samples))
            assert (clip.kind, clip.sample_rate_hz) == (expected.clips[name].kind, expected.clips[name].sample_rate_hz)


@pytest.mark.parametrize(("seed", "agrees"), [(0, True), (1, False)])
def test_the_oracle_is_the_draft(parity_set: ParitySet, seed: int, agrees: bool) -> None:
    from inspector.training.parity_set import oracle
    from inspector.training.untrained_bundle import untrained

    report = check(oracle(parity_set.path.parent, untrained(seed)), parity_set)
    assert report.engine == "torch/fp32"
    assert (report.max_difference < 1e-5) is agrees
    assert (report.changes == ()) or not agrees


@pytest.mark.parametrize(("num_pieces", "num", "num_nearest"), [(300, 20, 10), (19, 19, 10), (1, 1, 1)])
def test_all_pieces_where_there_are_fewer(
    tmp_path: Path, parity_set: ParitySet, num_pieces: int, num: int, num_nearest: int
) -> None:
    from inspector.training.parity_set import Sampling, add_parity_set
    from inspector.training.untrained_bundle import untrained

    trained = untrained()
    bundle = write_bare_bundle(tmp_path / "bundle", trained)
    manifest = parity_set.path.parents[1] / "manifest.jsonl"
    result = add_parity_set(bundle, trained, manifest, Sampling(num_pieces), lambda done, total: None)
    assert (len(result.pieces), result.about.num_nearest) == (num, num_nearest)
    assert len({piece.piece_id for piece in result.pieces}) == num


@pytest.mark.parametrize("of_these_encoders", [True, False])
def test_a_set_that_the_encoders_were_fitted_on_says_so(
    tmp_path: Path, parity_set: ParitySet, of_these_encoders: bool
) -> None:
    from inspector.training.parity_set import SEEN, Sampling, add_parity_set
    from inspector.training.untrained_bundle import untrained

    certificate = claimless(of_these_encoders=of_these_encoders)
    trained = replace(untrained(), certificate=certificate)
    bundle = write_bare_bundle(tmp_path / "bundle", trained)
    manifest = parity_set.path.parents[1] / "manifest.jsonl"
    result = add_parity_set(bundle, trained, manifest, Sampling(4), lambda done, total: None)
    assert (SEEN in result.about.notes) is not of_these_encoders


@pytest.mark.parametrize(("num", "expected"), [(0, set()), (1, {3}), (2, {3, 1}), (3, {3, 1, 4}), (9, {0, 1, 2, 3, 4})])
def test_nearest_by_calibrated_score(num: int, expected: set[int]) -> None:
    from inspector.training.parity_set import nearest_limits

    limits = Limits(0.2, 0.8)
    scores = [0.5, 0.1, None, 0.79, 0.0]
    predictions = [Prediction(decision="REVIEW", score=score, route="", experts=()) for score in scores]
    assert (
        nearest_limits([Judgement(expert, limits if expert.score is not None else None) for expert in predictions], num)
        == expected
    )


@pytest.mark.parametrize(
    ("max_bytes", "expected"), [(100, [0, 1, 2, 3, 4]), (40, [0, 1, 3, 4]), (29, [1, 3]), (1, [3])]
)
def test_a_set_is_bounded_in_bytes_and_keeps_both_kinds(max_bytes: int, expected: list[int]) -> None:
    from inspector.training.parity_set import within_bytes

    chosen, notes = within_bytes([3, 0, 2], [1, 4], [10] * 5, max_bytes)
    assert chosen == expected
    assert bool(notes) == (len(expected) < 5)
    assert all(note.startswith(f"{len(expected)} of 5 pieces: more would hold over") for note in notes)
    assert within_bytes([], [], [], 10) == ([], ())
