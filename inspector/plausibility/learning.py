"""Learns, from figures of good recordings, the limits within which a source is plausible."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from encoders.front_end import Image
from inspector.bundle.schema import PictureFormat, Plausibility, Range
from inspector.plausibility.rules import PICTURE, SIGNAL, Rule
from inspector.plausibility.statistics import TINY, Floats

SPREADS, SPREADS_OF_FEW = 0.5, 4.0
"""Limits lie this many spreads beyond the extremes, the second one divided by the root of the number of recordings."""
SLACK_OF_FEW = 10.0
"""Slack grows by this over the root of the number. Of 27 groups of solar cells a half called 1.5 % of the other half
implausible with 4 in place of 10, and 0.02 % with 10."""
DEFECTIVE_SHARE = 0.05
"""Defective recordings widen limits too, but for this share at either end, one at least: a recording labelled
defective may come from a failed source. Without them an eighth of all defective wafer maps were implausible."""
FEWEST_DEFECTIVE = 3
SETTLED_RANGES, SETTLED_SLACK, SETTLED_NUMBER = 3.0, 0.05, 30
"""Slack of traces is at most so many ranges of the recordings seen, or so much (of the level), from so many recordings
on: where all are standardised or regulated to one level, another level is a fault. Where the level tells nothing, a
short peak that is cut off looks like a lower one: 7 % of clipped wafer traces were plausible."""
STILL_SHARE = 0.01
"""Samples that move by less than this share of their value count as if they moved so much."""
OTHER_SIZE, OTHER_ASPECT = 1.5, 1.25
"""Where training saw several sizes, pictures may be larger or smaller, longer or wider by these factors."""
_TENTH = 1.2816
"""Of a normal distribution, a tenth lies beyond so many standard deviations."""


@dataclass(frozen=True)
class Recorded:
    """Figures of one modality's recordings, each once."""

    good: Mapping[str, Floats]
    groups: Sequence[str]
    """Of each good one."""
    defective: Mapping[str, Floats]
    is_trace: bool = False
    """Samples are of a process, whose level and mean are its own."""


def learn(recorded: Recorded, form: PictureFormat | None) -> Plausibility:
    """`form` is None for a sensor. Raises ValueError where nothing is good.

    The number that counts lies between recordings and groups, at their geometric mean: properties of a group (a bottle,
    a lot) are the same in all its recordings, and light or gain may change with every one.
    """
    good, groups = recorded.good, recorded.groups
    if not groups:
        raise ValueError("no good recording: limits are learned from recordings labelled ok")
    number = math.sqrt(len(groups) * len(set(groups)))
    usual = _usual_level(good) if "level" in good else 1.0
    rules = SIGNAL if form is None else PICTURE
    if recorded.is_trace:
        rules = {name: _eased(rule) for name, rule in rules.items()}
    figures = {
        name: _range(rule, good[name], recorded.defective.get(name), number, usual)
        for name, rule in rules.items()
        if name in good
    }
    return Plausibility(recordings=len(groups), groups=len(set(groups)), figures=figures, picture=form)


def _usual_level(good: Mapping[str, Floats]) -> float:
    """Of samples that never move, a part of their value stands for it: their mean is rounded, and may ripple a bit."""
    offset = float(np.median(np.abs(good["offset"]))) if "offset" in good else 0.0
    return max(float(np.median(good["level"])), STILL_SHARE * offset, TINY)


def _eased(rule: Rule) -> Rule:
    low, high = rule.slack_low, rule.slack_high
    return replace(
        rule,
        slack_low=None if low is None else low * rule.in_traces,
        slack_high=None if high is None else high * rule.in_traces,
        may_settle=True,
    )


def _range(rule: Rule, good: Floats, defective: Floats | None, number: float, usual: float) -> Range:
    scale = usual if rule.by_level else 1.0
    floor = rule.floor * scale
    values = _on_scale(rule, good, floor)
    if not len(values):
        return Range()
    least, most = _extremes(values, _on_scale(rule, np.empty(0) if defective is None else defective, floor))
    tenth, middle, nine_tenths = (float(value) for value in np.quantile(values, (0.1, 0.5, 0.9)))
    spreads = (SPREADS + SPREADS_OF_FEW / math.sqrt(number)) / _TENTH
    unit = 1.0 if rule.is_ratio else scale
    few = 1 + SLACK_OF_FEW / math.sqrt(number)
    widest = math.inf
    if rule.may_settle and len(values) >= SETTLED_NUMBER:
        widest = max(SETTLED_RANGES * (most - least), SETTLED_SLACK * unit)
    low = high = None
    if rule.slack_low is not None and not (rule.is_ratio and least <= _log(floor)):
        low = _back(rule, least - min(few * unit * rule.slack_low, widest) - spreads * (middle - tenth))
    if rule.slack_high is not None:
        high = _back(rule, most + min(few * unit * rule.slack_high, widest) + spreads * (nine_tenths - middle))
    return Range(low=low, high=high)


def _extremes(good: Floats, defective: Floats) -> tuple[float, float]:
    least, most = float(good.min()), float(good.max())
    if len(defective) < FEWEST_DEFECTIVE:
        return least, most
    share = max(DEFECTIVE_SHARE, 1 / len(defective))
    inner_least = float(np.quantile(defective, share, method="higher"))
    inner_most = float(np.quantile(defective, 1 - share, method="lower"))
    return min(least, inner_least), max(most, inner_most)


def _on_scale(rule: Rule, values: Floats, floor: float) -> Floats:
    known = values[np.isfinite(values)]
    return np.log(np.maximum(known, max(floor, 1e-12))) if rule.is_ratio else known


def _log(floor: float) -> float:
    return math.log(max(floor, 1e-12))


def _back(rule: Rule, value: float) -> float:
    return math.exp(value) if rule.is_ratio else value


class PictureKind(NamedTuple):
    """Format of a picture."""

    height_px: int
    width_px: int
    channels: Literal[1, 3]
    depth: Literal["uint8", "uint16"]


def kind_of(picture: Image) -> PictureKind:
    height, width = picture.shape[:2]
    return PictureKind(height, width, 1 if picture.ndim == 2 else 3, "uint8" if picture.dtype == np.uint8 else "uint16")


def picture_format(kinds: Collection[PictureKind]) -> PictureFormat:
    """From good and defective pictures: a defect changes neither size nor depth."""
    one_size = len({(kind.height_px, kind.width_px) for kind in kinds}) == 1
    size, aspect = (1.0, 1.0) if one_size else (OTHER_SIZE, OTHER_ASPECT)
    return PictureFormat(
        height_px=_around([kind.height_px for kind in kinds], size),
        width_px=_around([kind.width_px for kind in kinds], size),
        aspect=_around([kind.width_px / kind.height_px for kind in kinds], aspect),
        depths=tuple(sorted({kind.depth for kind in kinds})),
        channels=tuple(sorted({kind.channels for kind in kinds})),
    )


def _around(values: Sequence[float], factor: float) -> Range:
    return Range(low=min(values) / factor, high=max(values) * factor)


def joined(one: Plausibility, other: Plausibility) -> Plausibility:
    """Limits that accept the recordings of both lines."""
    names = [name for name in one.figures if name in other.figures]
    return Plausibility(
        recordings=one.recordings + other.recordings,
        groups=one.groups + other.groups,
        figures={name: _hull(one.figures[name], other.figures[name]) for name in names},
        picture=_joined_formats(one.picture, other.picture),
    )


def _joined_formats(one: PictureFormat | None, other: PictureFormat | None) -> PictureFormat | None:
    if one is None or other is None:
        return None
    return PictureFormat(
        height_px=_hull(one.height_px, other.height_px),
        width_px=_hull(one.width_px, other.width_px),
        aspect=_hull(one.aspect, other.aspect),
        depths=tuple(sorted({*one.depths, *other.depths})),
        channels=tuple(sorted({*one.channels, *other.channels})),
    )


def _hull(one: Range, other: Range) -> Range:
    return Range(
        low=None if one.low is None or other.low is None else min(one.low, other.low),
        high=None if one.high is None or other.high is None else max(one.high, other.high),
    )
