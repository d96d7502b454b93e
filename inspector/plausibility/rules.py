"""Defines the figures that are compared, how far limits lie beyond the training values, and the text about each."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.observation import MissingReason


@dataclass(frozen=True, slots=True)
class Rule:
    """How one figure is judged. A slack of None: there is no limit on that side."""

    absence: MissingReason
    words: str
    """Name of the measured quantity, before the value."""
    slack_low: float | None = None
    slack_high: float | None = None
    """Beyond the extremes of good recordings: as a difference of logarithms, or of values where `is_ratio` is False;
    for many recordings, and a multiple of it for few."""
    is_ratio: bool = True
    """Whether twice and half are equally far."""
    floor: float = 0.0
    """Values below are as good as this one; for signals in parts of the usual level."""
    by_level: bool = False
    """Slack and floor are parts of the usual level of the sensor."""
    in_traces: float = 1.0
    """Factor of the slack where level and mean are properties of the process, not of the sensor."""
    may_settle: bool = False
    """Where all recordings are alike in this, the next one is too: slack shrinks."""
    low_cause: str = ""
    high_cause: str = ""


_LEVEL = 1 / 255
PICTURE: Mapping[str, Rule] = {
    "brightness": Rule(
        MissingReason.EXPOSURE, "mean brightness", 0.2, 0.2, floor=_LEVEL,
        low_cause="is the light on, or the lens covered", high_cause="is it overexposed, or does other light fall in",
    ),
    "saturated": Rule(
        MissingReason.SATURATED, "share of pixels at an end of the scale", None, 0.1, is_ratio=False,
        high_cause="were exposure, gain or light changed, or is a part covered",
    ),
    "contrast": Rule(
        MissingReason.CONTRAST, "contrast", 0.25, None, floor=_LEVEL,
        low_cause="does the camera see the piece, or is the lens covered or fogged",
    ),
    "quarter_contrast": Rule(
        MissingReason.CONTRAST, "contrast of the flattest quarter", 0.4, None, floor=_LEVEL,
        low_cause="is a part of the lens covered, or of the picture lost",
    ),
    "quarter_brightness": Rule(
        MissingReason.EXPOSURE, "brightness of the darkest quarter", 0.35, None, floor=_LEVEL,
        low_cause="is a part of the lens covered, or a lamp out",
    ),
    "sharpness": Rule(
        MissingReason.SHARPNESS, "sharpness", 0.2, None, floor=0.01,
        low_cause="is the lens out of focus or dirty, or the piece moving",
    ),
    "noise": Rule(
        MissingReason.NOISE, "noise", None, 0.7, floor=0.004,
        high_cause="was the gain raised, or is a cable loose",
    ),
    "repeated": Rule(
        MissingReason.CONTRAST, "share of rows or columns that repeat the one before", None, 0.02, is_ratio=False,
        high_cause="was a part of the picture lost between camera and line",
    ),
}  # fmt: skip
"""In the order in which they are asked; shares and values from 0 (black) to 1. There is no limit to contrast and
sharpness above: a scratch on a plain surface adds both, and what covers or overdrives a picture shows elsewhere."""

SIGNAL: Mapping[str, Rule] = {
    "clipped": Rule(
        MissingReason.CLIPPED, "share of samples at the extremes", None, 0.02, is_ratio=False,
        high_cause="is the gain too high, so that the converter cuts the signal off",
    ),
    "level": Rule(
        MissingReason.LEVEL, "level", 0.15, 0.4, floor=0.001, by_level=True, in_traces=2.0,
        low_cause="is the sensor connected and switched on, and its gain as in training",
        high_cause="was the gain raised, or is something else loud next to it",
    ),
    "channel_level": Rule(
        MissingReason.DEAD_CHANNEL, "level of the quietest channel", 0.7, None, floor=0.001, by_level=True,
        low_cause="is every channel of the sensor connected",
    ),
    "offset": Rule(
        MissingReason.OFFSET, "mean of the samples", 0.25, 0.25, is_ratio=False, by_level=True, in_traces=4.0,
        low_cause="were supply or coupling of the sensor changed",
        high_cause="were supply or coupling of the sensor changed",
    ),
    "hum": Rule(
        MissingReason.NOISE, "share of energy from 40 to 130 Hz", None, 0.15, is_ratio=False,
        high_cause="does mains hum come in by a broken shield or ground",
    ),
    "noise_floor": Rule(
        MissingReason.NOISE, "noise floor", 0.3, 0.3, floor=0.01, by_level=True,
        low_cause="is the sensor muted, or another one connected",
        high_cause="is a cable or its shield broken, or a machine running next to it",
    ),
    "crest": Rule(
        MissingReason.CLIPPED, "peak over level", 0.2, None, floor=0.1,
        low_cause="is the gain too high, so that the signal is cut off, or does it hum",
    ),
    "lost": Rule(
        MissingReason.DEAD_CHANNEL, "share of samples that are zero or as the one before", None, 0.1, is_ratio=False,
        high_cause="does the driver lose samples, or does another one fill them in",
    ),
}  # fmt: skip
"""In the order in which they are asked, behind a level that is too low; samples are as the sensor gives them. Hum and
noise have no peaks either, so that they are asked before these."""
