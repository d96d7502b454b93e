"""What passes where a recipe asks for a certified miss rate, and the words about it."""

from pathlib import Path

import pytest

from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Certificate, Claim, Policy
from inspector.recipe.decision import Limits
from inspector.recipe.recipe import Recipe
from inspector.recipe.thresholds import certificate_words, covering, limits_of, promise_words
from tests.bundles import toy_recipe, write_toy_bundle

CLAIM = Claim(miss_rate=0.05, pass_below=0.2, num_misses=0, good_held=0.4)
NEAREST = Claim(miss_rate=0.03, pass_below=0.1, num_misses=0, good_held=0.6)
CERTIFICATE = Certificate(
    miss_rate=0.05, confidence=0.95, num_defects=100, claim=CLAIM, nearest=NEAREST, needs=0, sure_below=0.01
)
SHORT = CERTIFICATE.model_copy(update={"claim": None, "needs": 273, "miss_rate": 0.008})
REFITTED = SHORT.model_copy(update={"of_these_encoders": False})
POOR = SHORT.model_copy(
    update={"num_defects": 3, "nearest": NEAREST.model_copy(update={"miss_rate": 0.871, "num_misses": 1})}
)
BOTH = ("top", "mic")


def bundle(folder: Path, certificate: Certificate | None, mode: str = "cascade") -> Bundle:
    policy = Policy.model_validate({"mode": mode})
    return load(write_toy_bundle(folder)).schema.model_copy(update={"certificate": certificate, "policy": policy})


def recipe(folder: Path, **change: object) -> Recipe:
    return Recipe.model_validate(toy_recipe(folder).model_dump() | change)


@pytest.mark.parametrize(
    ("miss_rate", "certificate", "examined", "pass_below"),
    [
        (None, CERTIFICATE, BOTH, 0.3),
        (0.05, CERTIFICATE, BOTH, 0.2),
        (0.20, CERTIFICATE, BOTH, 0.2),
        (0.04, CERTIFICATE, BOTH, 0.1),
        (0.029, CERTIFICATE, BOTH, 0.01),
        (0.04, SHORT, BOTH, 0.1),
        (0.008, SHORT, BOTH, 0.01),
        (0.05, None, BOTH, 0.0),
        (0.05, CERTIFICATE, ("top",), 0.0),
        (None, CERTIFICATE, ("top",), 0.3),
    ],
)
def test_the_pass_limit_is_proven_or_strict(
    tmp_path: Path,
    miss_rate: float | None,
    certificate: Certificate | None,
    examined: tuple[str, ...],
    pass_below: float,
) -> None:
    schema = bundle(tmp_path, certificate)
    limits = limits_of(recipe(tmp_path, certified_miss_rate=miss_rate), schema, schema.calibrations[0], examined)
    assert limits == Limits(pass_below, 0.7)


def test_no_certificate_covers_a_price_that_moves(tmp_path: Path) -> None:
    schema, asking = bundle(tmp_path, CERTIFICATE, "budgeted"), recipe(tmp_path, certified_miss_rate=0.05)
    assert limits_of(asking, schema, schema.calibrations[0], BOTH).pass_below == 0.01
    assert "no certificate covers a budgeted route; fail-safe" in promise_words(asking, schema)


@pytest.mark.parametrize("miss_rate", [0.008, 0.04, 0.5])
def test_evidence_that_encoders_learned_from_covers_nothing(tmp_path: Path, miss_rate: float) -> None:
    schema, asking = bundle(tmp_path, REFITTED), recipe(tmp_path, certified_miss_rate=miss_rate)
    assert covering(schema, miss_rate) is None
    assert limits_of(asking, schema, schema.calibrations[0], BOTH).pass_below == REFITTED.sure_below
    for words in (promise_words(asking, schema), certificate_words(REFITTED)):
        assert "now nothing is promised" in words
        assert not words.startswith("certified")


def test_a_certified_limit_above_the_limit_of_fail_is_held_to_it(tmp_path: Path) -> None:
    loose = CERTIFICATE.model_copy(update={"claim": CLAIM.model_copy(update={"pass_below": 0.9})})
    schema = bundle(tmp_path, loose)
    asking = recipe(tmp_path, certified_miss_rate=0.05)
    assert limits_of(asking, schema, schema.calibrations[0], BOTH) == Limits(0.7, 0.7)


@pytest.mark.parametrize(
    ("miss_rate", "certificate", "words"),
    [
        (0.05, CERTIFICATE, "certified: at most 5 % of defective pieces pass, at 95% confidence (0 misses among 100"),
        (0.05, CERTIFICATE, "PASS below 0.2, which sends 40% of good pieces to REVIEW or FAIL"),
        (0.008, SHORT, "not certifiable at 0.8 %: needs 273 more independent defects; certifiable at 3 %, where 60%"),
        (0.008, SHORT, "fail-safe: only scores below 0.01 pass, all else that does not fail is REVIEW"),
        (0.02, SHORT, "not certifiable at 2 %: needs 49 more independent defects"),
        (0.008, SHORT.model_copy(update={"nearest": None}), "certifiable at no level"),
        (
            0.04,
            REFITTED,
            "not certifiable at 4 %: its evidence is used up; before the encoders learned from the calibration",
        ),
        (
            0.008,
            REFITTED,
            "not certifiable at 0.8 %: needs 273 more independent defects; before the encoders learned from",
        ),
        (
            0.008,
            POOR,
            "too little evidence for a promise about misses: 3 independent defects, of which 1 missed; about ",
        ),
        (0.008, None, "not certifiable at 0.8 %: the bundle has no certificate"),
        (None, SHORT, "no promise asked about misses (certified_miss_rate); bundle: not certifiable at 0.8 %"),
    ],
)
def test_words(tmp_path: Path, miss_rate: float | None, certificate: Certificate | None, words: str) -> None:
    assert words in promise_words(recipe(tmp_path, certified_miss_rate=miss_rate), bundle(tmp_path, certificate))
