"""A doubt names the measured and the expected value and the likely cause; bundles without limits have a rule too."""

import numpy as np
import pytest

from inspector.bundle.schema import Plausibility, Range
from inspector.plausibility.learning import PictureKind, picture_format
from inspector.plausibility.limits import Doubt, clip_doubt, format_doubt, picture_doubt
from inspector.plausibility.rules import PICTURE, SIGNAL
from streams.observation import MissingReason

LIMITS = Plausibility(
    recordings=100,
    groups=50,
    figures={"brightness": Range(low=0.2, high=0.6), "saturated": Range(high=0.1), "unheard_of": Range(low=9, high=9)},
    picture=picture_format({PictureKind(8, 12, 1, "uint8")}),
)
HEARD = Plausibility(
    recordings=9, groups=9, figures={"level": Range(low=0.1, high=0.4), "offset": Range(low=-0.1, high=0.1)}
)


def test_a_doubt_is_one_sentence_with_figure_range_and_cause() -> None:
    doubt = picture_doubt({"brightness": 0.0123}, LIMITS, "on")
    assert doubt == Doubt(
        MissingReason.EXPOSURE, "mean brightness 0.0123, expected 0.2 to 0.6: is the light on, or the lens covered?"
    )


def test_a_value_close_to_its_limit_is_not_said_to_equal_it() -> None:
    doubt = picture_doubt({"brightness": 0.19996}, LIMITS, "on")
    assert doubt is not None
    assert doubt.detail.startswith("mean brightness 0.19996, expected 0.2 to 0.6: ")


@pytest.mark.parametrize(("value", "is_doubted"), [(0.2, False), (0.6, False), (0.199, True), (0.601, True)])
def test_limits_belong_to_what_is_believed(value: float, is_doubted: bool) -> None:
    assert (picture_doubt({"brightness": value}, LIMITS, "on") is not None) == is_doubted


def test_too_much_has_another_cause_than_too_little_and_one_limit_is_said_as_one() -> None:
    doubt = picture_doubt({"brightness": 0.4, "saturated": 0.5}, LIMITS, "on")
    assert doubt is not None
    assert "at most 0.1" in doubt.detail
    assert "overexposed" in str(picture_doubt({"brightness": 0.9}, LIMITS, "on"))


def test_wide_limits_are_twice_as_far_out() -> None:
    assert picture_doubt({"brightness": 0.11, "saturated": 0.5}, LIMITS, "wide") is None
    assert picture_doubt({"brightness": 0.09}, LIMITS, "wide") is not None
    assert picture_doubt({"saturated": 0.6}, LIMITS, "wide") is not None
    assert clip_doubt({"level": 0.2, "offset": 0.19}, HEARD, "wide") is None
    assert clip_doubt({"level": 0.2, "offset": 0.21}, HEARD, "wide") is not None


WHOLE = HEARD.model_copy(
    update={"figures": {**HEARD.figures, "clipped": Range(high=0.02), "crest": Range(low=3.8), "hum": Range(high=0.2)}}
)


@pytest.mark.parametrize(
    ("figures", "absence"),
    [
        ({"level": 1e-5, "clipped": 1.0, "crest": 1.0}, MissingReason.LEVEL),
        ({"level": 0.005, "clipped": 0.0, "crest": 3.7}, MissingReason.LEVEL),
        ({"level": 0.3, "clipped": 0.1, "crest": 2.0}, MissingReason.CLIPPED),
        ({"level": 0.9, "clipped": 0.1, "crest": 2.0}, MissingReason.CLIPPED),
        ({"level": 0.3, "clipped": 0.0, "crest": 1.5, "hum": 0.9}, MissingReason.NOISE),
        ({"level": 0.3, "clipped": 0.0, "crest": 1.5, "hum": 0.1}, MissingReason.CLIPPED),
    ],
    ids=["last-bit", "floor", "cut", "cut-and-loud", "hum", "no-peaks"],
)
def test_the_reason_is_the_likely_one_where_several_figures_are_outside(
    figures: dict[str, float], absence: MissingReason
) -> None:
    doubt = clip_doubt(figures, WHOLE, "on")
    assert doubt is not None
    assert doubt.absence is absence


def test_what_is_no_number_is_left_to_the_experts() -> None:
    assert clip_doubt({"level": np.nan}, HEARD, "on") is None


@pytest.mark.parametrize(
    ("value", "absence"), [(0.0, MissingReason.EXPOSURE), (1.0, MissingReason.EXPOSURE), (0.5, MissingReason.CONTRAST)]
)
def test_without_limits_a_picture_of_one_value_is_not_believed(value: float, absence: MissingReason) -> None:
    doubt = picture_doubt({"brightness": value, "contrast": 0.0}, None, "on")
    assert doubt is not None
    assert doubt.absence is absence
    assert picture_doubt({"brightness": value, "contrast": 0.01}, None, "on") is None


def test_without_limits_a_clip_of_one_value_is_not_believed() -> None:
    doubt = clip_doubt({"level": 0.0, "offset": 0.25}, None, "on")
    assert doubt == Doubt(MissingReason.LEVEL, "every sample is 0.25: is the sensor connected and switched on?")
    assert clip_doubt({"level": 1e-4, "offset": 0.0}, None, "on") is None


@pytest.mark.parametrize(
    ("image", "absence", "words"),
    [
        (np.zeros((8, 12), np.uint16), MissingReason.FORMAT, "uint16"),
        (np.zeros((8, 12, 3), np.uint8), MissingReason.FORMAT, "3 channel"),
        (np.zeros((12, 8), np.uint8), MissingReason.SIZE, "8 x 12 px"),
        (np.zeros((16, 24), np.uint8), MissingReason.SIZE, "24 x 16 px"),
    ],
)
def test_another_format_or_size_than_trainings_is_not_believed(
    image: "np.typing.NDArray[np.uint8]", absence: MissingReason, words: str
) -> None:
    doubt = format_doubt(image, LIMITS)
    assert doubt is not None
    assert doubt.absence is absence
    assert words in doubt.detail
    assert format_doubt(image, None) is None


def test_the_trained_format_is_believed() -> None:
    assert format_doubt(np.zeros((8, 12), np.uint8), LIMITS) is None


def test_every_rule_says_what_it_found_wherever_it_has_a_limit() -> None:
    for rule in (*PICTURE.values(), *SIGNAL.values()):
        assert bool(rule.low_cause) == (rule.slack_low is not None)
        assert bool(rule.high_cause) == (rule.slack_high is not None)
