"""Implements `Bench`: makes data sets, bundles and scores once, in one folder."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.evaluation.evaluate import labelled
from inspector.evaluation.recipes import recipe_for
from inspector.evaluation.run import Examined, open_bundle
from inspector.evaluation.scoring import scored
from inspector.inference.model import Model
from inspector.recipe.recipe import Recipe
from inspector.simulation.dataset import write_dataset
from inspector.simulation.pieces import LineSettings
from inspector.training.checkpoint import save_checkpoint
from inspector.training.config import Fitting, ImageExpert, SignalExpert, TrainConfig
from inspector.training.export import write_bundle
from inspector.training.train import train
from inspector.training.trainer import TrainOptions
from tests.benchmarks.evidence.bench import REAL_SETS, Trained
from tests.benchmarks.evidence.keeping import read_scored, write_scored

NUM_PROCESSES = 2


def _line(full_px: int, scout_px: int, epochs: int, scout_epochs: int) -> TrainConfig:
    """A scout and a full expert for the camera, one for the microphone, all from scratch."""
    scout = ImageExpert(name="top-scout", modality="top", scout=True, height_px=scout_px, width_px=scout_px)
    full = ImageExpert(name="top-full", modality="top", scout=False, height_px=full_px, width_px=full_px)
    ear = SignalExpert(name="mic-scout", modality="mic", encoder="log_mel", scaling="none")
    scout_fit, fit = ({"fitting": Fitting(epochs=number)} for number in (scout_epochs, epochs))
    return TrainConfig(
        name="line",
        experts=(scout.model_copy(update=scout_fit), full.model_copy(update=fit), ear.model_copy(update=fit)),
    )


@dataclass(frozen=True)
class Simulated:
    """A simulated line of the bench."""

    settings: LineSettings
    num_pieces: int
    config: TrainConfig


SIMULATED: Mapping[str, Simulated] = {
    "rare_hard": Simulated(LineSettings(seed=7, scenario="rare_hard", defect_share=0.4), 3600, _line(96, 32, 14, 40)),
    "certified": Simulated(LineSettings(seed=7, defect_share=0.5), 4500, _line(64, 32, 10, 10)),
}
"""From scratch: below some 500 steps the networks see nothing yet. The scout of `rare_hard` looks so long and at so few
pixels that it is sure of plain defects and cannot see a hairline: at 48 px it could (.997 area under the curve)."""


@dataclass(frozen=True, eq=False)
class Workshop:
    folder: Path
    seeds: Sequence[int]
    weights: Mapping[str, Path]
    maker: Path | None
    """The script that builds the real sets: MAKER OUT --seed N; None: only simulated lines are measured."""

    def sets(self) -> Sequence[str]:
        return REAL_SETS if self.maker else ()

    def manifest(self, name: str, seed: int) -> Path:
        data = self.folder / "data" / (name if name in SIMULATED else f"seed-{seed}/{name}")
        path = data / "manifest.jsonl"
        if path.exists():
            return path
        if name in SIMULATED:
            return write_dataset(data, SIMULATED[name].num_pieces, SIMULATED[name].settings)
        if self.maker is None:
            raise FileNotFoundError(f"{path}: there is no script that builds {name}; give one by --maker")
        command = [sys.executable, str(self.maker), str(data.parent), "--seed", str(seed), "--only", name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return path

    def trained(self, name: str, seed: int) -> Trained:
        return self._trained(name, SIMULATED[name].settings.seed if name in SIMULATED else seed)

    def _trained(self, name: str, seed: int) -> Trained:
        folder = self.folder / "trained" / f"{name}-{seed}"
        if not (folder / "test.npz").exists():
            _make(self, name, seed, folder)
        calibration, test = (read_scored(folder / f"{part}.npz") for part in ("calibration", "test"))
        return Trained(
            name, seed, self.manifest(name, seed), folder / "bundle", folder / "checkpoint", calibration, test
        )

    def all_trained(self) -> list[Trained]:
        """All that was trained in this folder, now or before."""
        keys = sorted(file.parent.name for file in (self.folder / "trained").glob("*/test.npz"))
        return [self._trained(name, int(seed)) for name, _, seed in (key.rpartition("-") for key in keys)]

    def make_all(self) -> None:
        """Everything that is to be trained, two at a time: each process takes one core."""
        jobs = [(name, self.seeds[0]) for name in SIMULATED]
        jobs += [(name, seed) for seed in self.seeds for name in reversed(self.sets())]
        with ProcessPoolExecutor(NUM_PROCESSES, get_context("spawn")) as pool:
            waiting = [pool.submit(_prepare, self, name, seed) for name, seed in jobs]
            for done, future in enumerate(as_completed(waiting), 1):
                print(f"{done}/{len(jobs)} {future.result()}", flush=True)


def _prepare(workshop: Workshop, name: str, seed: int) -> str:
    start = time.monotonic()
    workshop.trained(name, seed)
    return f"{name} {seed} trained and examined in {time.monotonic() - start:.0f} s"


def _make(workshop: Workshop, name: str, seed: int, folder: Path) -> None:
    config = SIMULATED[name].config if name in SIMULATED else TrainConfig(name=name)
    weights = {} if config.experts else workshop.weights  # those of simulated lines use none
    train_and_examine(workshop.manifest(name, seed), config, weights, folder)


def train_and_examine(manifest: Path, config: TrainConfig, weights: Mapping[str, Path], folder: Path) -> None:
    """As `inspector train` does it; the test split is examined with the serving code. Takes one core."""
    torch.set_num_threads(1)
    options = TrainOptions(weights=weights)
    training = train(manifest, config, options, lambda stage, done, total: None)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "findings.txt").write_text("\n".join(training.findings) + "\n", encoding="utf-8")
    save_checkpoint(folder / "checkpoint", training.bundle)
    write_bundle(folder / "bundle", training.bundle)
    write_scored(folder / "calibration.npz", training.scored)
    rows = labelled(read_manifest(manifest), "test")
    model = open_bundle(folder / "bundle")
    seen = Examined(model, manifest.parent, rows, lambda done, total: None, believing(model, rows))
    write_scored(folder / "test.npz", scored(seen))


def believing(model: Model, rows: Sequence[PieceRow]) -> Recipe:
    """The strictest recipe, with plausibility off: every piece gets a score, because the table measures the model.
    `tests.benchmarks.plausibility` counts implausible pieces."""
    recipe = recipe_for(model, rows, None)
    return recipe.model_copy(
        update={
            "cameras": tuple(camera.model_copy(update={"plausibility": "off"}) for camera in recipe.cameras),
            "sensors": tuple(sensor.model_copy(update={"plausibility": "off"}) for sensor in recipe.sensors),
        }
    )
