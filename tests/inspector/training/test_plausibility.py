"""Limits come from the good recordings of the training split, each once and all images of a piece; and the command."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from inspector.bundle.load import load
from inspector.bundle.schema import ImageInput, Modality, Plausibility, SignalInput
from inspector.cli.plausibility import plausibility
from inspector.dataset.manifest import ImageRow, Label, PieceRow, SignalRow, read_manifest, write_manifest
from inspector.plausibility.sources import Kept, believed
from inspector.training.plausibility import with_plausibility
from streams.observation import Clip, InspectionId, Observation, State, from_files
from tests.bundles import write_toy_bundle

pytestmark = pytest.mark.train

TOP, MIC = Modality(name="top", kind="image"), Modality(name="mic", kind="audio")
RNG = np.random.default_rng(3)


@dataclass(frozen=True)
class Looker:
    modality: str
    input: ImageInput | SignalInput
    scout: bool = True


EXPERTS = (
    Looker("top", ImageInput(tile_height_px=8, tile_width_px=8, num_channels=1)),
    Looker("mic", SignalInput(sample_rate_hz=100, num_samples=16, num_channels=1)),
)


def picture(mean: int) -> NDArray[np.uint8]:
    return RNG.integers(mean - 40, mean + 40, (8, 12)).astype(np.uint8)


def sound() -> NDArray[np.float32]:
    return RNG.normal(0, 0.1, (16, 1)).astype(np.float32)


def row(
    folder: Path, number: int, label: Label, mean: int = 120, split: str = "train", num_images: int = 1
) -> PieceRow:
    for image in range(num_images):
        cv2.imwrite(str(folder / f"{number}-{image}.png"), picture(mean if image == num_images - 1 else 120))
    np.save(folder / f"{number}.npy", sound())
    return PieceRow(
        piece_id=str(number),
        images=tuple(ImageRow(camera="top", path=f"{number}-{image}.png") for image in range(num_images)),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{number}.npy"),),
        label=label,
        split=split,  # type: ignore[arg-type]
        groups={"image": f"g{number // 2}", "signal": f"s{number}"},
        modality_labels={"image": label, "signal": "ok"},
    )


def limits(folder: Path, rows: list[PieceRow]) -> tuple[Plausibility | None, Plausibility | None]:
    top, mic = with_plausibility(folder, rows, (TOP, MIC), EXPERTS)
    return top.plausibility, mic.plausibility


def test_each_modality_learns_from_what_is_good_of_its_own(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, "ok" if number < 20 else "nok") for number in range(30)]
    top, mic = limits(tmp_path, rows)
    assert top is not None
    assert mic is not None
    assert (top.recordings, top.groups, mic.recordings, mic.groups) == (20, 10, 30, 30)
    assert (top.picture is None, mic.picture is None) == (False, True)


def test_a_recording_that_many_pieces_share_counts_once_and_is_not_good_where_one_calls_it_defective(
    tmp_path: Path,
) -> None:
    rows = [row(tmp_path, number, "ok") for number in range(20)]
    again = [one.model_copy(update={"piece_id": f"again-{one.piece_id}"}) for one in rows]
    bad = again[0].model_copy(update={"modality_labels": {"image": "nok", "signal": "ok"}})
    top, mic = limits(tmp_path, [*rows, *again, bad])
    assert top is not None
    assert mic is not None
    assert (top.recordings, mic.recordings) == (19, 20)


def test_all_images_of_a_piece_teach(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, "ok", mean=200, num_images=2) for number in range(20)]
    top, _ = limits(tmp_path, rows)
    assert top is not None
    assert top.recordings == 40
    assert (top.figures["brightness"].high or 0) > 200 / 255


def test_without_a_good_recording_or_an_expert_there_are_no_limits(tmp_path: Path) -> None:
    rows = [row(tmp_path, number, "nok") for number in range(3)]
    assert limits(tmp_path, rows)[0] is None
    bare = with_plausibility(tmp_path, rows, (MIC,), EXPERTS[:1])
    assert bare == (MIC,)


def test_what_was_learned_from_is_believed_by_the_service_and_black_is_not(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path / "toy")
    rows = [row(tmp_path, number, "ok") for number in range(20)]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    result = CliRunner().invoke(plausibility, [str(folder), str(tmp_path / "manifest.jsonl")])
    assert result.exit_code == 0, result.output
    assert "20 good recordings of 10 groups" in result.output
    schema = load(folder).schema
    paths = [tmp_path / row.images[0].path for row in rows]
    pieces = [observed(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)) for path in paths]
    black = observed(np.zeros((8, 12), np.uint8))
    states = [piece.views["top"].state for piece in believed(schema, [*pieces, black], [{}] * 21, Kept())]
    assert states == [State.PRESENT] * 20 + [State.IMPLAUSIBLE]


def observed(image: "NDArray[np.uint8]") -> Observation:
    clip = Clip("mic", "audio", sound(), 100.0, State.PRESENT)
    return from_files(InspectionId("l", "s", "p"), "cup", [("top", image)], [clip])


def test_a_manifest_without_good_training_recordings_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path / "toy")
    bad = [row(tmp_path, number, "nok").model_copy(update={"modality_labels": {}}) for number in range(3)]
    write_manifest(tmp_path / "manifest.jsonl", bad)
    before = (folder / "bundle.json").read_bytes()
    result = CliRunner().invoke(plausibility, [str(folder), str(tmp_path / "manifest.jsonl")])
    assert result.exit_code == 1
    assert "labelled ok of top, mic" in result.output
    assert (folder / "bundle.json").read_bytes() == before


@pytest.mark.parametrize(
    ("shape", "rate_hz", "words"),
    [((16, 1), 50.0, "0.npy: clip has 50 Hz"), ((16, 2), 100.0, "0.npy: clip has shape (16, 2)")],
)
def test_a_manifest_of_other_recordings_is_refused_with_the_file(
    tmp_path: Path, shape: tuple[int, int], rate_hz: float, words: str
) -> None:
    folder = write_toy_bundle(tmp_path / "toy")
    piece = row(tmp_path, 0, "ok")
    np.save(tmp_path / "0.npy", RNG.normal(0, 0.1, shape).astype(np.float32))
    signal = piece.signals[0].model_copy(update={"sample_rate_hz": rate_hz})
    write_manifest(tmp_path / "manifest.jsonl", [piece.model_copy(update={"signals": (signal,)})])
    result = CliRunner().invoke(plausibility, [str(folder), str(tmp_path / "manifest.jsonl")])
    assert result.exit_code == 1
    assert words in result.output.replace("\n", "")


@pytest.mark.parametrize("split", ["calibration", "test"])
def test_only_the_training_split_teaches(tmp_path: Path, split: str) -> None:
    folder = write_toy_bundle(tmp_path / "toy")
    rows = [row(tmp_path, number, "ok", split="train" if number < 10 else split) for number in range(20)]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    assert CliRunner().invoke(plausibility, [str(folder), str(tmp_path / "manifest.jsonl")]).exit_code == 0
    known = load(folder).schema.modalities[0].plausibility
    assert known is not None
    assert known.recordings == len(read_manifest(tmp_path / "manifest.jsonl", "train"))
