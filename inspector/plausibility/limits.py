"""Compares the figures of a thumbnail or clip with the limits of a bundle, and describes a violation in a sentence."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from encoders.front_end import RATE_TOLERANCE, Image
from inspector.bundle.schema import Plausibility, Range, SignalInput
from inspector.plausibility.rules import PICTURE, SIGNAL, Rule
from inspector.plausibility.statistics import BRIGHT, DARK, TINY
from streams.observation import MissingReason

Strictness = Literal["on", "wide", "off"]
"""`wide`: limits twice as far out; `off`: nothing is compared."""


class Doubt(NamedTuple):
    """Why a source is implausible: the measured value, the expected one and the likely cause."""

    absence: MissingReason
    detail: str


def picture_doubt(figures: Mapping[str, float], limits: Plausibility | None, strictness: Strictness) -> Doubt | None:
    """`figures` of one thumbnail. Without limits only a picture of one value is implausible."""
    if limits is not None:
        return _outside(figures, limits, PICTURE, strictness)
    if figures["contrast"] > TINY:
        return None
    value = figures["brightness"]
    absence = MissingReason.CONTRAST if DARK < value < BRIGHT else MissingReason.EXPOSURE
    return Doubt(absence, f"every pixel has the brightness {value:.3g}: is the lens covered, or the light off?")


def clip_doubt(figures: Mapping[str, float], limits: Plausibility | None, strictness: Strictness) -> Doubt | None:
    """`figures` of one clip. Without limits only samples of one value are implausible."""
    if limits is not None:
        return _too_quiet(figures, limits, strictness) or _outside(figures, limits, SIGNAL, strictness)
    if figures["level"] > TINY:
        return None
    return Doubt(
        MissingReason.LEVEL, f"every sample is {figures['offset']:.3g}: is the sensor connected and switched on?"
    )


def format_doubt(image: Image, limits: Plausibility | None) -> Doubt | None:
    """About the picture as received: size, bit depth or colour that training never saw."""
    if limits is None or limits.picture is None:
        return None
    height, width = image.shape[:2]
    channels = 1 if image.ndim == 2 else image.shape[2]
    known = limits.picture
    if image.dtype.name not in known.depths:
        seen = f"pixels are {image.dtype.name}, training saw {' and '.join(known.depths)}"
        return Doubt(MissingReason.FORMAT, f"{seen}: was the camera's pixel format changed?")
    if channels not in known.channels:
        seen = f"the picture has {channels} channel(s), training saw {' and '.join(map(str, known.channels))}"
        return Doubt(MissingReason.FORMAT, f"{seen}: was the camera's pixel format changed?")
    sizes = ((height, known.height_px), (width, known.width_px), (width / height, known.aspect))
    if any(_is_outside(value, limit) for value, limit in sizes):
        expected = f"width {_span(known.width_px)}, height {_span(known.height_px)}, aspect {_span(known.aspect)}"
        seen = f"the picture is {width} x {height} px, expected {expected}"
        return Doubt(MissingReason.SIZE, f"{seen}: was the camera's resolution or region of interest changed?")
    return None


def clip_format_doubt(num_channels: int, sample_rate_hz: float, form: SignalInput) -> Doubt | None:
    """About samples as received: a number of channels or a rate that the experts were not trained on."""
    if num_channels != form.num_channels:
        seen = f"the clip has {num_channels} channel(s), training saw {form.num_channels}"
        return Doubt(MissingReason.FORMAT, f"{seen}: was the sensor changed, or are its channels mixed or split?")
    if abs(sample_rate_hz - form.sample_rate_hz) > RATE_TOLERANCE * form.sample_rate_hz:
        seen = f"the clip has {sample_rate_hz:g} Hz, training saw {form.sample_rate_hz:g} Hz"
        return Doubt(MissingReason.FORMAT, f"{seen}: was the sensor's sample rate changed?")
    return None


def _too_quiet(figures: Mapping[str, float], limits: Plausibility, strictness: Strictness) -> Doubt | None:
    """Checked first: the rest of a dead signal looks clipped, flat or noisy, although the gain is right."""
    limit = limits.figures.get("level")
    if limit is None or limit.low is None or figures["level"] >= limit.low:
        return None
    return _outside(figures, limits, {"level": SIGNAL["level"]}, strictness)


def _outside(
    figures: Mapping[str, float], limits: Plausibility, rules: Mapping[str, Rule], strictness: Strictness
) -> Doubt | None:
    """About the first figure that lies outside; NaN is left to the experts, which refuse it."""
    for name, rule in rules.items():
        limit, value = limits.figures.get(name), figures.get(name)
        if limit is None or value is None:
            continue
        believed = _widened(limit, rule) if strictness == "wide" else limit
        if _is_outside(value, believed):
            is_low = believed.low is not None and value < believed.low
            cause = rule.low_cause if is_low else rule.high_cause
            return Doubt(rule.absence, f"{rule.words} {_value_and_span(value, believed)}: {cause}?")
    return None


def _is_outside(value: float, limit: Range) -> bool:
    return (limit.low is not None and value < limit.low) or (limit.high is not None and value > limit.high)


def _widened(limit: Range, rule: Rule) -> Range:
    """Ratios: half and twice. Shares: half of the rest. Others: twice the distance between the limits."""
    low, high = limit.low, limit.high
    if rule.is_ratio:
        return Range(low=None if low is None else low / 2, high=None if high is None else high * 2)
    if low is not None and high is not None:
        return Range(low=low - (high - low) / 2, high=high + (high - low) / 2)
    return Range(low=low, high=None if high is None else high + (1 - high) / 2)


def _value_and_span(value: float, limit: Range) -> str:
    """The value and the expected range, in as many digits as show that it lies outside."""
    bounds = [bound for bound in (limit.low, limit.high) if bound is not None]
    digits = next((n for n in range(3, 17) if all(f"{value:.{n}g}" != f"{bound:.{n}g}" for bound in bounds)), 17)
    return f"{value:.{digits}g}, expected {_span(limit, digits)}"


def _span(limit: Range, digits: int = 3) -> str:
    low, high = (None if bound is None else f"{bound:.{digits}g}" for bound in (limit.low, limit.high))
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    return low if limit.low == limit.high else f"{low} to {high}"
