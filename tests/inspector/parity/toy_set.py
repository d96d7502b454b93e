"""Writes a toy bundle with a parity set whose oracle is the bundle itself, so that every flip is made on purpose."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from inspector.bundle.load import load
from inspector.dataset.manifest import Label
from inspector.engines.engine import EngineSettings
from inspector.inference.model import Model, open_model
from inspector.parity.archive import ParitySet, set_of
from inspector.parity.evaluate import judge
from inspector.parity.schema import About, Prediction
from inspector.parity.write import Judged, add_set
from streams.observation import Clip, Observation, State
from tests.bundles import piece, view, write_toy_bundle

ABOUT = About(bundle="toy", version="1", oracle="the toy itself", seed=0, num_calibration=900, num_nearest=0)
Retelling = Callable[[int, Prediction], tuple[Label, Prediction]]


def unchanged(_: int, prediction: Prediction) -> tuple[Label, Prediction]:
    """The oracle's prediction, without a label."""
    return "unknown", prediction


def toy_pieces(num: int) -> list[Observation]:
    """Grey from dark to bright, sound from silent to loud in other steps; every tenth piece has no sound."""
    pieces = []
    for index in range(num):
        loud = np.full((16, 1), (index * 7 % num) / num * 0.9, np.float32)
        mic = Clip("mic", "audio", loud, 100.0, State.PRESENT)
        whole = piece(view(index / num), mic, piece_id=f"p{index}")
        pieces.append(whole if index % 10 != 9 else replace(whole, clips={}))
    return pieces


def toy_model(folder: Path) -> Model:
    return open_model(load(folder), EngineSettings("onnx"))


def write_toy_set(folder: Path, pieces: Sequence[Observation], retell: Retelling = unchanged) -> ParitySet:
    """A toy bundle with a set of these pieces; `retell` changes the oracle's prediction by index."""
    if not (folder / "bundle.json").exists():
        write_toy_bundle(folder)
    judgements = judge(toy_model(folder), pieces)
    stories = [retell(index, judgement.prediction) for index, judgement in enumerate(judgements)]
    add_set(load(folder), ABOUT, [Judged(piece, *story) for piece, story in zip(pieces, stories, strict=True)])
    return set_of(load(folder))
