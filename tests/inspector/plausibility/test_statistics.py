"""Figures change with the faults of a picture or a sound, and with nothing else."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from encoders.front_end import Image, prepare_clip, prepare_image
from inspector.bundle.schema import ImageInput, SignalInput
from inspector.plausibility.statistics import MAX_SAMPLES, clip_figures, picture_figures

PICTURE = ImageInput(tile_height_px=48, tile_width_px=48, num_channels=1)
SOUND = SignalInput(sample_rate_hz=8000.0, num_samples=4000, num_channels=1)
NOISE = np.random.default_rng(1).integers(0, 256, (96, 96)).astype(np.uint8)
GREY: NDArray[np.uint8] = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), 2.5) // 2 + 60, np.uint8)
TONE = (0.2 * np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000))[:, None].astype(np.float32)
TONE += np.random.default_rng(2).normal(0, 0.01, TONE.shape).astype(np.float32)


def seen(image: Image, form: ImageInput = PICTURE) -> dict[str, float]:
    return picture_figures(image, prepare_image(image, form), form)


def heard(samples: NDArray[np.float32], form: SignalInput = SOUND) -> dict[str, float]:
    return clip_figures(prepare_clip(samples, form.sample_rate_hz, form), len(samples), form)


def half_covered(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([image[:48], np.full((48, 96), 90, np.uint8)])


@pytest.mark.parametrize(
    ("figure", "fault", "is_higher"),
    [
        ("brightness", lambda image: image // 4, False),
        ("saturated", lambda image: np.minimum(image.astype(int) * 4, 255).astype(np.uint8), True),
        ("contrast", lambda image: image // 4 + 90, False),
        ("sharpness", lambda image: cv2.GaussianBlur(image, (0, 0), 3.0), False),
        ("noise", lambda image: image + np.random.default_rng(3).integers(0, 60, image.shape).astype(np.uint8), True),
        ("quarter_contrast", half_covered, False),
        ("quarter_brightness", lambda image: np.concatenate([image[:48], image[48:] // 8]), False),
        ("repeated", lambda image: np.concatenate([image[:48], np.repeat(image[47:48], 48, axis=0)]), True),
        ("repeated", lambda image: np.concatenate([image[:, :84], np.repeat(image[:, 83:84], 12, axis=1)], 1), True),
    ],
)
def test_a_fault_of_a_picture_moves_its_figure(
    figure: str, fault: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], is_higher: bool
) -> None:
    whole, spoiled = seen(GREY)[figure], seen(fault(GREY))[figure]
    assert spoiled > 1.3 * whole + 0.003 if is_higher else spoiled < 0.7 * whole


def test_plain_background_repeats_no_rows() -> None:
    plain = np.full((96, 96), 20, np.uint8)
    plain[40:60, 30:50] = GREY[40:60, 30:50]
    assert seen(plain)["repeated"] == 0.0


def test_brightness_is_that_of_the_picture_whatever_the_expert_subtracts() -> None:
    odd = PICTURE.model_copy(update={"mean": 0.2, "std": 3.0})
    assert seen(GREY, odd)["brightness"] == pytest.approx(GREY.mean() / 255, abs=2e-3)
    assert seen(np.full((9, 7), 255, np.uint8), odd)["saturated"] == 1.0


def test_tiles_are_one_picture() -> None:
    tiled = PICTURE.model_copy(update={"tile_height_px": 24, "tile_width_px": 16, "rows": 2, "cols": 3})
    assert seen(GREY, tiled) == pytest.approx(seen(GREY), abs=1e-6)


@pytest.mark.parametrize("side_px", [1, 2, 3, 97, 500])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_has_finite_figures(side_px: int, channels: int) -> None:
    form = ImageInput(tile_height_px=side_px, tile_width_px=side_px, num_channels=3 if channels == 3 else 1)
    assert np.isfinite(list(seen(GREY, form).values())).all()


@pytest.mark.parametrize(
    ("figure", "fault", "is_higher"),
    [
        ("level", lambda s: s / 4, False),
        ("clipped", lambda s: np.clip(s, -0.1, 0.1), True),
        ("crest", lambda s: np.clip(s, -0.02, 0.02), False),
        ("offset", lambda s: s + np.float32(0.3), True),
        ("hum", lambda s: s + 0.2 * np.sin(2 * np.pi * 50.7 * np.arange(4000) / 8000)[:, None].astype(s.dtype), True),
        ("noise_floor", lambda s: s + np.random.default_rng(4).normal(0, 0.2, s.shape).astype(s.dtype), True),
        ("lost", lambda s: s * (np.arange(4000) % 2)[:, None].astype(s.dtype), True),
        ("lost", lambda s: np.repeat(s[::2], 2, axis=0), True),
    ],
)
def test_a_fault_of_a_sound_moves_its_figure(
    figure: str, fault: Callable[[NDArray[np.float32]], NDArray[np.float32]], is_higher: bool
) -> None:
    whole, spoiled = heard(TONE)[figure], heard(fault(TONE))[figure]
    assert spoiled > 1.4 * whole + 0.02 if is_higher else spoiled < 0.8 * whole


def test_a_dead_channel_shows_next_to_one_that_lives() -> None:
    form = SOUND.model_copy(update={"num_channels": 2})
    figures = heard(np.hstack([TONE, np.zeros_like(TONE)]), form)
    assert figures["channel_level"] == 0
    assert figures["level"] > 0.05
    assert np.isfinite(figures["crest"])


def test_samples_are_as_recorded_whatever_the_expert_scales() -> None:
    scaled = SOUND.model_copy(update={"scaling": "standard", "mean": (0.3,), "std": (7.0,)})
    assert heard(TONE, scaled) == pytest.approx(heard(TONE), rel=1e-3, abs=1e-5)


def test_padding_is_no_silence() -> None:
    longer = SOUND.model_copy(update={"num_samples": 9000})
    assert heard(TONE, longer) == pytest.approx(heard(TONE))


def test_slow_or_short_signals_have_no_hum() -> None:
    assert "hum" not in heard(TONE, SOUND.model_copy(update={"sample_rate_hz": 1.0}))
    assert "hum" not in heard(TONE[:300])


@pytest.mark.parametrize("length", [1, 2, 5])
def test_the_shortest_clips_have_figures(length: int) -> None:
    assert heard(TONE[:length])["level"] >= 0


def test_a_long_clip_is_looked_at_over_its_whole_length() -> None:
    """At most MAX_SAMPLES of it."""
    long = np.tile(TONE, (100, 1))
    long[len(long) // 2 :] = 0
    form = SOUND.model_copy(update={"num_samples": len(long)})
    assert len(long) > 10 * MAX_SAMPLES
    assert heard(long, form)["level"] == pytest.approx(heard(TONE)["level"] / 2**0.5, rel=0.02)
