"""Makes random pieces of the wide bundle's line as files: whole, short, long or missing, in every format.

No two recordings are alike, so that nothing looks frozen; equal seeds give equal pieces.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from inspector.bundle.schema import SignalInput
from inspector.dataset.manifest import ImageRow, Label, PieceRow, SignalRow, Split, write_manifest
from inspector.dataset.recordings import write_wav
from tests.wide_bundle import ACC, MIC, OIL

NUM_CALIBRATION = 12


@dataclass(frozen=True)
class Sensor:
    name: str
    kind: Literal["audio", "vibration", "trace"]
    form: SignalInput
    enough: float
    """The recipe's min_coverage."""

    def at(self, mean: float) -> float:
        """Level of the samples at which the expert sees this mean."""
        return mean * self.form.std[0] + self.form.mean[0] if self.form.scaling == "standard" else mean


SENSORS = (Sensor("mic", "audio", MIC, 0.6), Sensor("acc", "vibration", ACC, 0.9), Sensor("oil", "trace", OIL, 0.0))


@dataclass
class Lot:
    """Pieces in the making, in one folder."""

    folder: Path
    rng: np.random.Generator
    whole: bool = False

    def write(self, num_pieces: int) -> Path:
        """A manifest of as many test pieces, and some whole ones to calibrate by."""
        rows = [self.piece(f"p{number:04d}", "test") for number in range(num_pieces)]
        self.whole = True
        rows += [self.piece(f"c{number:04d}", "calibration") for number in range(NUM_CALIBRATION)]
        write_manifest(self.folder / "manifest.jsonl", rows)
        return self.folder / "manifest.jsonl"

    def piece(self, name: str, split: Split) -> PieceRow:
        is_dark = not self.whole and self.rng.random() < 0.06
        images = [
            self._image(f"{name}-{camera}-{sequence}", camera)
            for camera, expected in (("top", 2), ("side", 1))
            for sequence in range(0 if is_dark else self._num_images(expected))
        ]
        sounds = [self._sound(name, sensor) for sensor in SENSORS]
        label: Label = "ok" if int(name[1:]) % 2 else "nok"
        return PieceRow(
            piece_id=name,
            images=tuple(images),
            signals=tuple(sound for sound in sounds if sound is not None),
            label=label,
            split=split,
            groups={"piece": name},
            product="jug" if not self.whole and self.rng.random() < 0.02 else "",
        )

    def _num_images(self, expected: int) -> int:
        drawn = self.rng.random()
        if self.whole or drawn > 0.3:
            return expected
        return int(self.rng.integers(0, expected)) if drawn > 0.08 else expected + 1

    def _mean(self) -> float:
        """Good, doubtful or defective, as an expert sees it."""
        low, high = ((0.25, 0.45), (0.45, 0.55), (0.6, 1.0))[int(self.rng.choice(3, p=(0.7, 0.1, 0.2)))]
        return float(self.rng.uniform(low, high))

    def _image(self, name: str, camera: str) -> ImageRow:
        """Grey or colour, 8 or 16 bits, PNG or JPEG, with noise; the side camera gives 12 bits."""
        colours = () if self.rng.random() < 0.5 else (3,)
        grey = self._mean() + self.rng.normal(0, 0.02, (int(self.rng.integers(8, 40)), 24, *colours))
        if camera == "side":
            pixels = (grey.clip(0, 1)[:, :, 0] if colours else grey.clip(0, 1)) * 4095
            cv2.imwrite(str(self.folder / f"{name}.png"), pixels.astype(np.uint16))
            return ImageRow(camera=camera, path=f"{name}.png", bit_depth=12)
        form = self.rng.choice(("png", "png16", "jpg", "jpeg"))
        full, suffix = (65535, "png") if form == "png16" else (255, str(form))
        pixels = (grey.clip(0, 1) * full).astype(np.uint16 if full > 255 else np.uint8)
        cv2.imwrite(str(self.folder / f"{name}.{suffix}"), pixels)
        return ImageRow(camera=camera, path=f"{name}.{suffix}")

    def _sound(self, piece: str, sensor: Sensor) -> SignalRow | None:
        drawn = 1.0 if self.whole else self.rng.random()
        if drawn < 0.08:
            return None
        shape = (self._num_samples(sensor, drawn), sensor.form.num_channels)
        samples = sensor.at(self._mean()) + self.rng.normal(0, 0.03, shape)
        writers: tuple[Callable[[Path, NDArray[np.float64], int], Path], ...] = (_wav, _flac, _npy, _flat_npy)
        writer = writers[int(self.rng.integers(len(writers)))]
        path = writer(self.folder / f"{piece}-{sensor.name}", samples, int(sensor.form.sample_rate_hz))
        return SignalRow(
            sensor=sensor.name, kind=sensor.kind, sample_rate_hz=sensor.form.sample_rate_hz, path=path.name
        )

    def _num_samples(self, sensor: Sensor, drawn: float) -> int:
        """Two, about as many as are just enough, any number, too many, or all. A file without any is refused."""
        length = sensor.form.num_samples
        if drawn < 0.14:
            return 2
        if drawn < 0.22:
            return max(2, round(sensor.enough * length) - int(self.rng.integers(0, 2)))
        if drawn < 0.32:
            return int(self.rng.integers(2, length))
        return length + int(self.rng.integers(1, length)) if drawn < 0.42 else length


def _steps(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return (samples.clip(-1, 0.9999) * 32768).astype(np.int16)


def _wav(stem: Path, samples: NDArray[np.float64], rate_hz: int) -> Path:
    write_wav(stem.with_suffix(".wav"), _steps(samples), rate_hz)
    return stem.with_suffix(".wav")


def _flac(stem: Path, samples: NDArray[np.float64], rate_hz: int) -> Path:
    soundfile.write(stem.with_suffix(".flac"), _steps(samples), rate_hz)
    return stem.with_suffix(".flac")


def _npy(stem: Path, samples: NDArray[np.float64], rate_hz: int) -> Path:
    np.save(stem.with_suffix(".npy"), samples.astype(np.float32))
    return stem.with_suffix(".npy")


def _flat_npy(stem: Path, samples: NDArray[np.float64], rate_hz: int) -> Path:
    """One channel as most programs save it."""
    return _npy(stem, samples[:, 0] if samples.shape[1] == 1 else samples, rate_hz)
