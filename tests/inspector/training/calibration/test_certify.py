"""The certificate: which pieces count as evidence, which claim it makes, and that the claim holds."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.scored import Scored
from inspector.bundle.schema import Calibration
from inspector.training.config import Acceptance

certifying = pytest.importorskip("inspector.training.calibration.certify", reason="needs the training half")

pytestmark = pytest.mark.train
certify, claims = certifying.certify, certifying.claims


def scored(num_seen=400, num_unseen=1000, repeats=1, seed=0, spread=1.5):
    """Half of the pieces are defective; `repeats` pieces rest on the same recording, and look alike."""
    random, num = np.random.default_rng(seed), num_seen + num_unseen
    labels = np.arange(num) % 2 == 0
    recordings = np.arange(num) // (2 * repeats) * 2 + labels
    noise = random.normal(0, spread, 2 * num)[recordings] + random.normal(0, 1e-6, num)
    logits = np.where(labels, 4.0, -4.0) + noise
    return Scored(
        piece_ids=tuple(f"p{number}" for number in range(num)),
        labels=labels,
        units=tuple(frozenset({f"r{recording}"}) for recording in recordings),
        experts=("a",),
        expert_logits=logits[None],
        sets=(frozenset("a"),),
        logits=logits[None],
        cpu_s=np.ones((1, num)),
        unseen=np.arange(num) >= num_seen,
    )


def scores_of(pieces):
    return 1 / (1 + np.exp(-pieces.of("a")))


def test_enough_independent_defects_certify_what_was_asked():
    pieces = scored()
    certificate = certify(scores_of(pieces), pieces, Acceptance())
    assert certificate.num_defects == 500
    assert certificate.claim.miss_rate == 0.008
    assert 0 < certificate.claim.good_held < 0.5
    assert certificate.needs == 0


@pytest.mark.parametrize(("repeats", "num_defects"), [(1, 500), (5, 100), (50, 10)])
def test_a_recording_counts_once_however_many_pieces_repeat_it(repeats, num_defects):
    pieces = scored(repeats=repeats)
    certificate = certify(scores_of(pieces), pieces, Acceptance())
    assert certificate.num_defects == num_defects
    assert (certificate.claim is None) is (num_defects < 373)
    assert certificate.needs == max(0, 373 - num_defects)
    assert certificate.nearest.miss_rate == pytest.approx(1 - 0.05 ** (1 / num_defects), abs=2e-6)


def test_pieces_that_training_saw_are_no_evidence_but_fix_the_limits():
    pieces = scored()
    worse = np.where(pieces.unseen | ~pieces.labels, scores_of(pieces), 0.0)
    plain, other = (certify(scores, pieces, Acceptance()) for scores in (scores_of(pieces), worse))
    assert (plain.claim, other.sure_below) == (other.claim, 0.0)
    calm = certify(np.where(pieces.unseen, scores_of(pieces), scores_of(pieces) / 1000), pieces, Acceptance())
    assert calm.claim.pass_below < 0.001 < plain.claim.pass_below


def test_the_limit_that_is_surely_good_lies_below_every_defect():
    pieces = scored(spread=3.0)
    sure_below = certify(scores_of(pieces), pieces, Acceptance()).sure_below
    assert sure_below == scores_of(pieces)[pieces.labels].min()


@pytest.mark.parametrize(
    ("good", "claimed"),
    [(np.full(100, 0.5), False), (np.array([0.05] + [0.5] * 99), True)],
)
def test_a_limit_that_holds_every_good_piece_certifies_nothing(good, claimed):
    defects, limits = np.full(500, 0.15), np.array([0.1, 0.2, 0.3])
    certificate = claims(limits, defects, good, Acceptance())
    assert (certificate.claim is not None, certificate.nearest is not None) == (claimed, claimed)
    assert certificate.needs == 0


def test_pieces_that_no_expert_looked_at_are_left_out():
    pieces = scored()
    blind = np.where(np.arange(1400) < 1000, scores_of(pieces), np.nan)
    assert certify(blind, pieces, Acceptance()).num_defects == 300


def test_without_good_pieces_of_training_the_limits_are_those_fixed_for_all():
    pieces = replace(scored(), unseen=np.full(1400, True))
    assert certifying.limits_to_test(scores_of(pieces), pieces).tolist() == certifying.FIXED_LIMITS.tolist()
    claim = certify(scores_of(pieces), pieces, Acceptance(certify_miss_rate=0.05)).claim
    assert claim is not None
    assert claim.pass_below in certifying.FIXED_LIMITS


@pytest.mark.parametrize(("miss_rate", "num"), [(0.008, 373), (0.02, 200), (0.05, 100)])
def test_the_promise_is_broken_no_more_often_than_it_may(miss_rate, num):
    """Defects of one known distribution: the true miss rate below a limit is the normal distribution's."""
    random, acceptance, broken = np.random.default_rng(1), Acceptance(certify_miss_rate=miss_rate), 0
    true = np.sort(random.normal(2, 1, 200_000))
    limits, good = np.linspace(-2, 2, 100), random.normal(-2, 1, 500)
    for _ in range(400):
        pass_below = claims_on(limits, random.normal(2, 1, num), good, acceptance)
        if pass_below is not None:
            broken += np.searchsorted(true, pass_below) / len(true) > miss_rate
    assert broken / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def claims_on(limits, defects, good, acceptance):
    """Scores of any scale, brought to 0..1 and back."""
    certificate = claims(*((values + 10) / 20 for values in (limits, defects, good)), acceptance)
    return None if certificate.claim is None else certificate.claim.pass_below * 20 - 10


def test_every_piece_is_scored_by_the_calibration_of_what_ran():
    pieces = replace(scored(2, 4), sets=(frozenset("a"), frozenset("b")), logits=np.array([[0.0] * 6, [1.0] * 6]))
    ran = [frozenset("a"), frozenset("b"), frozenset(), *[frozenset("a")] * 3]
    shared = {"temperature": 1.0, "pass_below": 0.3, "fail_above": 0.7}
    calibrations = {
        frozenset(name): Calibration(experts=(name,), bias=bias, **shared)  # type: ignore[arg-type]
        for name, bias in BIASES
    }
    scores = certifying.routed_scores(pieces, ran, calibrations)
    np.testing.assert_allclose(scores, [0.5, 1 / (1 + np.exp(-3)), np.nan, 0.5, 0.5, 0.5])


BIASES = (("a", 0.0), ("b", 2.0))
