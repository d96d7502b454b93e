"""The demo's bundle believes its whole line, defects included, and passes nothing on a faulty picture or sound."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.bundle.load import load
from inspector.config.service import load_service
from inspector.engines.engine import EngineSettings
from inspector.inference.model import open_model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipes import Recipes
from inspector.simulation.pieces import LineSettings, simulate_piece
from inspector.simulation.sound import SAMPLE_RATE_HZ
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Clip, InspectionId, Observation, State, from_files

ROOT = Path(__file__).parents[3]
LINE = LineSettings(seed=77)
NUM = 60

Picture = NDArray[np.uint8] | NDArray[np.uint16]
Sound = NDArray[np.float32]
RNG = np.random.default_rng(5)
HUM = (0.1 * np.sin(2 * np.pi * 50 * np.arange(8000) / SAMPLE_RATE_HZ))[:, None].astype(np.float32)
PICTURES: Mapping[str, Callable[[NDArray[np.uint8]], Picture]] = {
    "black": lambda image: np.zeros_like(image),
    "white": lambda image: np.full_like(image, 255),
    "grey": lambda image: np.full_like(image, 77),
    "black with noise": lambda image: RNG.integers(0, 8, image.shape).astype(np.uint8),
    "noise": lambda image: RNG.integers(0, 256, image.shape).astype(np.uint8),
    "half covered": lambda image: np.concatenate([image[:80], np.full((80, 160), 3, np.uint8)]),
    "half grey": lambda image: np.concatenate([image[:, :80], np.full((160, 80), 90, np.uint8)], axis=1),
    "a quarter of the light": lambda image: image // 4,
    "four times the light": lambda image: np.minimum(image.astype(int) * 4, 255).astype(np.uint8),
    "a quarter of the picture": lambda image: image[:80, :80].copy(),
    "lower half repeats a row": lambda image: np.concatenate([image[:80], np.repeat(image[79:80], 80, axis=0)]),
    "right third repeats a column": lambda image: np.concatenate(
        [image[:, :106], np.repeat(image[:, 105:106], 54, axis=1)], axis=1
    ),
    "in 16 bits": lambda image: image.astype(np.uint16) * 16,
}
SOUNDS: Mapping[str, Callable[[Sound], Sound]] = {
    "silent": np.zeros_like,
    "one value": lambda sound: np.full_like(sound, 0.3),
    "noise alone": lambda sound: RNG.normal(0, 0.001, sound.shape).astype(np.float32),
    "a quarter of the gain": lambda sound: sound / np.float32(4),
    "four times the gain": lambda sound: np.clip(sound * 4, -1, 1),
    "clipped": lambda sound: np.clip(sound, -0.3 * abs(sound).max(), 0.3 * abs(sound).max()),
    "hum": lambda sound: sound + HUM[: len(sound)],
    "offset": lambda sound: sound + np.float32(0.1),
    "every second sample zero": lambda sound: sound * (np.arange(len(sound)) % 2)[:, None].astype(np.float32),
    "every sample twice": lambda sound: np.repeat(sound[::2], 2, axis=0)[: len(sound)],
}  # fmt: skip


@pytest.fixture(scope="module")
def judge() -> RoutedJudge:
    recipe = next(iter(load_service(ROOT / "deploy/demo/service.toml").recipes)).model_copy(update={"backlog": "judge"})
    model = open_model(load(recipe.bundle), EngineSettings("onnx"))
    return RoutedJudge(Recipes([recipe]), {recipe.bundle: model})


def observed(number: int, picture: Picture, sound: Sound) -> Observation:
    clip = Clip("mic", "audio", sound, float(SAMPLE_RATE_HZ), State.PRESENT)
    return from_files(InspectionId("line-1", "station-1", str(number)), "disc", [("top", picture)], [clip])


@cache
def simulated() -> list[tuple[NDArray[np.uint8], Sound]]:
    """Shared by all tests: nothing may write to it."""
    pieces = [simulate_piece(LINE, number) for number in range(NUM)]
    both = [(piece.image, (piece.sound / np.float32(32768)).astype(np.float32)) for piece in pieces]
    for image, sound in both:
        image.setflags(write=False)
        sound.setflags(write=False)
    return both


def states(verdicts: list[pb.Verdict], modality: str) -> set[int]:
    return {reported.state for verdict in verdicts for reported in verdict.modalities if reported.name == modality}


def test_the_whole_line_is_believed(judge: RoutedJudge) -> None:
    verdicts = judge.judge([observed(number, *both) for number, both in enumerate(simulated())])
    assert states(verdicts, "top") | states(verdicts, "mic") == {pb.MODALITY_STATE_PRESENT}
    assert any(verdict.decision == pb.DECISION_FAIL for verdict in verdicts)


@pytest.mark.parametrize("fault", PICTURES)
def test_no_piece_passes_on_a_picture_that_shows_none(judge: RoutedJudge, fault: str) -> None:
    pieces = [observed(n, PICTURES[fault](picture), sound) for n, (picture, sound) in enumerate(simulated())]
    verdicts = judge.judge(pieces)
    assert states(verdicts, "top") == {pb.MODALITY_STATE_IMPLAUSIBLE}
    assert all(verdict.decision == pb.DECISION_REVIEW for verdict in verdicts)
    assert all(verdict.modalities[0].detail.endswith("?") for verdict in verdicts)


@pytest.mark.parametrize("fault", SOUNDS)
def test_no_piece_passes_on_a_sound_that_is_none(judge: RoutedJudge, fault: str) -> None:
    pieces = [observed(n, picture, SOUNDS[fault](sound)) for n, (picture, sound) in enumerate(simulated())]
    verdicts = judge.judge(pieces)
    assert all(verdict.decision != pb.DECISION_PASS for verdict in verdicts)
    doubted = [verdict.modalities[1].state == pb.MODALITY_STATE_IMPLAUSIBLE for verdict in verdicts]
    assert np.mean(doubted) > 0.9  # A cracked piece that is louder or softer than others may sound like a whole one.
