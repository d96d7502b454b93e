"""Limits lie beyond all good recordings, further where few were seen, and leave out nothing that was good."""

import numpy as np
import pytest

from inspector.bundle.schema import PictureFormat, Plausibility, Range
from inspector.plausibility.learning import (
    FEWEST_DEFECTIVE,
    SETTLED_NUMBER,
    PictureKind,
    Recorded,
    joined,
    kind_of,
    learn,
    picture_format,
)
from inspector.plausibility.limits import clip_doubt
from streams.observation import MissingReason

FORM = picture_format({PictureKind(8, 12, 1, "uint8")})
DRAWN = np.random.default_rng(0).uniform(0.4, 0.6, 4000)


def brightness(good: "np.typing.NDArray[np.float64]", num_groups: int, defective: object = None) -> Range:
    groups = [f"g{index % num_groups}" for index in range(len(good))]
    others = {} if defective is None else {"brightness": np.asarray(defective, float)}
    return learn(Recorded({"brightness": good}, groups, others), FORM).figures["brightness"]


def test_no_good_recording_lies_outside() -> None:
    limit = brightness(DRAWN, 4000)
    assert limit.low is not None
    assert limit.high is not None
    assert 0.2 < limit.low < DRAWN.min() < DRAWN.max() < limit.high < 0.9


def test_few_recordings_widen_limits_and_few_groups_do_too() -> None:
    limits = [brightness(DRAWN[:number], groups) for number, groups in ((4000, 4000), (4000, 40), (40, 4))]
    widths = [(limit.high or 0) / (limit.low or 1) for limit in limits]
    assert widths == sorted(widths)
    assert widths[-1] > 2 * widths[0]


def test_defective_recordings_widen_limits_but_for_the_outermost_and_where_there_are_enough() -> None:
    """A recording labelled defective may come from a failed source."""
    usual = brightness(DRAWN, 4000)
    assert (brightness(DRAWN, 4000, [0.1] * FEWEST_DEFECTIVE).low or 1) < 0.1
    assert brightness(DRAWN, 4000, [0.1] * (FEWEST_DEFECTIVE - 1)) == usual
    assert brightness(DRAWN, 4000, [0.5] * 99 + [0.0]) == usual
    assert (brightness(DRAWN, 4000, [0.5, 0.5, 0.0]).low or 0) > 0.1


def test_where_good_recordings_reach_the_floor_there_is_no_limit_below() -> None:
    """Traces of a machine that rests have no noise at all."""
    assert brightness(np.array([0.0, 0.5] * 20), 40).low is None


def test_the_offset_is_counted_in_parts_of_the_level() -> None:
    good = {"level": np.full(25, 50.0), "offset": np.zeros(25)}
    groups = [str(index) for index in range(25)]
    for is_trace, reach in ((False, 37.5), (True, 150.0)):
        limit = learn(Recorded(good, groups, {}, is_trace), None).figures["offset"]
        assert limit.low == pytest.approx(-reach)
        assert limit.high == pytest.approx(reach)


def trace_levels(levels: "np.typing.NDArray[np.float64]", is_trace: bool = True) -> Range:
    groups = [str(index) for index in range(len(levels))]
    return learn(Recorded({"level": levels}, groups, {}, is_trace), None).figures["level"]


def test_where_all_traces_have_one_level_another_is_not_believed() -> None:
    """Standardised ones: a peak that is cut off lowers it, however short it is."""
    limit = trace_levels(np.full(100, 2.0))
    assert limit.low == pytest.approx(2 * 0.951, rel=1e-3)
    assert limit.high == pytest.approx(2 * 1.051, rel=1e-3)


def test_levels_of_traces_that_vary_of_few_traces_and_of_sounds_have_their_slack() -> None:
    for number, is_trace in ((SETTLED_NUMBER - 1, True), (100, False)):
        assert (trace_levels(np.full(number, 2.0), is_trace).low or 2) < 1.5
    assert (trace_levels(np.random.default_rng(0).uniform(1.5, 2.5, 100)).low or 2) < 1.0


def test_traces_that_never_move_are_believed_however_their_mean_is_rounded() -> None:
    """A pressure that is held: 0.1 as float32 has another mean with every length."""
    still = {"level": np.zeros(60), "offset": np.full(60, 0.1), "noise_floor": np.zeros(60)}
    groups = [str(index) for index in range(60)]
    limits = learn(Recorded(still, groups, {}, is_trace=True), None)
    assert clip_doubt({"level": 3e-9, "offset": 0.1 + 3e-9, "noise_floor": 1e-9}, limits, "on") is None
    doubt = clip_doubt({"level": 0.0, "offset": 0.2, "noise_floor": 0.0}, limits, "on")
    assert doubt is not None
    assert doubt.absence is MissingReason.OFFSET


def test_figures_that_are_not_numbers_teach_nothing() -> None:
    with_one = brightness(np.array([np.nan, *DRAWN]), 4001)
    without = brightness(DRAWN, 4001)
    assert (with_one.low, with_one.high) == pytest.approx((without.low, without.high), rel=1e-3)
    assert brightness(np.array([np.nan] * 9), 9) == Range()


def test_without_a_good_recording_nothing_is_learned() -> None:
    with pytest.raises(ValueError, match="labelled ok"):
        learn(Recorded({}, [], {}), FORM)


def test_one_size_is_the_only_one_and_several_sizes_are_a_range() -> None:
    assert FORM.height_px == Range(low=8, high=8)
    several = picture_format({PictureKind(10, 20, 1, "uint8"), PictureKind(20, 20, 3, "uint16")})
    assert several.height_px == Range(low=10 / 1.5, high=30)
    assert several.aspect == Range(low=0.8, high=2.5)
    assert (several.depths, several.channels) == (("uint16", "uint8"), (1, 3))


def test_kinds_are_read_off_pictures() -> None:
    assert kind_of(np.zeros((3, 4), np.uint8)) == PictureKind(3, 4, 1, "uint8")
    assert kind_of(np.zeros((3, 4, 3), np.uint16)) == PictureKind(3, 4, 3, "uint16")


def test_two_recipes_together_believe_what_either_does() -> None:
    one, other = (
        Plausibility(recordings=9, groups=3, figures={"level": limit}, picture=form)
        for limit, form in (
            (Range(low=1.0, high=2.0), FORM),
            (Range(low=0.5, high=None), picture_format({PictureKind(9, 9, 3, "uint16")})),
        )
    )
    both = joined(one, other)
    assert both.figures == {"level": Range(low=0.5, high=None)}
    assert isinstance(both.picture, PictureFormat)
    assert (both.recordings, both.picture.height_px, both.picture.depths) == (
        18,
        Range(low=8, high=9),
        ("uint16", "uint8"),
    )
