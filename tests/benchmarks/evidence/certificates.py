"""Table: the miss rates that bundles promise, and how often the promise breaks when the evidence is resampled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from fusion.calibration import Scores
from fusion.certificate import p_value
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Certificate, Claim
from inspector.training.calibration.certify import certify, claims, evidence, limits_to_test
from inspector.training.config import Acceptance
from tests.benchmarks.evidence.as_routed import Routed, as_routed
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Table

ENOUGH = "certified"
"""The simulated line with at least 373 independent defects in calibration."""
NUM_DRAWS = 200
ACCEPTANCE = Acceptance()
ALLOWED = 1 - ACCEPTANCE.confidence
COLUMNS = (
    "set",
    "independent defects",
    "0.8 % at 95 %",
    "needs more",
    "certifiable level",
    "good pieces held",
    "promised",
    "misses, all unseen",
    "broken",
    "misses, other half",
    "above promise there",
    "refuted there",
    "good pieces held in draws",
)


@dataclass(frozen=True, eq=False)
class Pool:
    """All unseen pieces of a bundle (calibration and test) and the limits that training fixed."""

    limits: Scores
    defects: Scores
    """Scores of independent defective pieces: drawing among them is drawing among groups."""
    good: Scores
    num_evidence: int
    """Number of these defects in the bundle's calibration split."""


@dataclass(frozen=True)
class Draw:
    """One certificate from resampled evidence, compared with the whole pool."""

    promised: float
    everywhere: float
    """Miss rate of the pool that the evidence was drawn from: the truth."""
    good_held: float


@dataclass(frozen=True)
class Half:
    """One certificate from half of the groups, and the other half's defects."""

    promised: float
    observed: float
    refuted: bool


@dataclass(frozen=True, eq=False)
class Tried:
    """One bundle's certificate, the claim to test, and the results of claims on resampled evidence."""

    certificate: Certificate
    chosen: Claim | None
    draws: Sequence[Draw]
    halves: Sequence[Half]


def run(bench: Bench) -> Table:
    trained = {name: [bench.trained(name, seed) for seed in bench.seeds] for name in bench.sets()}
    trained[ENOUGH] = [bench.trained(ENOUGH, bench.seeds[0])]
    tried = {name: [_try(bundle, at_goal=name == ENOUGH) for bundle in seeds] for name, seeds in trained.items()}
    margin = 1.96 * np.sqrt(ALLOWED * (1 - ALLOWED) / NUM_DRAWS)
    return Table(
        name="certificates",
        title="Promised and observed misses",
        question="At most 0.8 % of defective pieces pass, at 95 % confidence, counted in independent recordings; over "
        f"{NUM_DRAWS} resamplings by group the promise breaks in no more than 5 % (+ {margin:.1%} of chance).",
        columns=COLUMNS,
        rows=[_row(name, outcomes) for name, outcomes in tried.items()],
        bundle_rows={
            bundle.key: [_row(name, [outcome])]
            for name, seeds in trained.items()
            for bundle, outcome in zip(seeds, tried[name], strict=True)
        },
        notes=[
            "A real set promises the smallest rate that the evidence of each draw certifies; "
            f"the line `{ENOUGH}` (simulated: no claim of accuracy) promises 0.8 %.",
            "Broken: as many independent defects as the bundle's calibration had are drawn with replacement from all "
            "unseen ones (calibration and test) and give a certificate. Its promise is compared with the miss rate of "
            "all of them, which is the truth for this draw. The share is of all draws, certified or not. "
            "Training pieces fix the limits to be tested.",
            "Other half: these defects are split in two; one half gives the certificate, the other half is counted. "
            "A few dozen are above an exact promise by chance (one time in eight where the halves are equal and the "
            "first shows no miss), so `above promise there` is no breach; `refuted there` is: a kept promise gives "
            "such a count in less than 5 of 100 cases.",
            "Held: good pieces that the certified limit sends to REVIEW or FAIL, by that limit alone.",
            "Where encoders were fitted again on the calibration pieces (the bundle then carries no certificate), the "
            "columns up to `good pieces held` describe the encoders before that, and draws use test pieces only.",
            "Head, calibrations and policy were chosen on the cross-fitted scores of the calibration split, so its "
            "evidence is slightly optimistic.",
        ],
    )


def _try(trained: Trained, *, at_goal: bool) -> Tried:
    certificate, pool = _made(trained)
    chosen = certificate.claim if at_goal else certificate.nearest
    return Tried(certificate, chosen, list(_draws(pool, at_goal=at_goal)), list(_halves(pool, at_goal=at_goal)))


def _row(name: str, tried: Sequence[Tried]) -> list[str]:
    certificates, chosen = [outcome.certificate for outcome in tried], [outcome.chosen for outcome in tried]
    draws = [draw for outcome in tried for draw in outcome.draws]
    halves = [half for outcome in tried for half in outcome.halves]
    num_draws = NUM_DRAWS * len(tried)
    return [
        name,
        spread([outcome.num_defects for outcome in certificates]),
        f"{sum(outcome.claim is not None for outcome in certificates)} of {len(certificates)}",
        spread([outcome.needs for outcome in certificates]),
        _mean([outcome.nearest.miss_rate for outcome in certificates if outcome.nearest]),
        _mean([claim.good_held for claim in chosen if claim]),
        f"{_mean([draw.promised for draw in draws])} ({len(draws)} of {num_draws} draws)",
        _mean([draw.everywhere for draw in draws]),
        f"{sum(draw.everywhere > draw.promised for draw in draws) / num_draws:.1%}",
        f"{_mean([half.observed for half in halves])} (promised {_mean([half.promised for half in halves])})",
        f"{sum(half.observed > half.promised for half in halves) / num_draws:.1%}",
        f"{sum(half.refuted for half in halves) / num_draws:.1%}",
        _mean([draw.good_held for draw in draws]),
    ]


def _mean(shares: Sequence[float]) -> str:
    return f"{fmean(shares):.1%}" if shares else "-"


def _made(trained: Trained) -> tuple[Certificate, Pool]:
    schema: Bundle = load(trained.bundle).schema
    calibration, test = as_routed(schema, trained.calibration), as_routed(schema, trained.test)
    certificate = schema.certificate or certify(calibration.scores, calibration.scored, ACCEPTANCE)
    parts = [_unseen(part) for part in (calibration, test)]
    return certificate, Pool(
        limits=limits_to_test(calibration.scores, calibration.scored),
        defects=np.concatenate([defects for defects, _ in parts]),
        good=np.concatenate([good for _, good in parts]),
        num_evidence=certificate.num_defects,
    )


def _unseen(pieces: Routed) -> tuple[Scores, Scores]:
    """Scores of independent defects, and of good pieces."""
    able, scored = ~np.isnan(pieces.scores), pieces.scored
    bad, good = able & scored.unseen & scored.labels, able & scored.unseen & ~scored.labels
    return pieces.scores[bad][evidence(scored, able)], pieces.scores[good]


def _draws(pool: Pool, *, at_goal: bool) -> Iterator[Draw]:
    random = np.random.default_rng(0)
    for _ in range(NUM_DRAWS):
        drawn = random.choice(pool.defects, pool.num_evidence)
        claim = _claim(pool, drawn, at_goal=at_goal)
        if claim is not None:
            yield Draw(claim.miss_rate, float(np.mean(pool.defects < claim.pass_below)), claim.good_held)


def _halves(pool: Pool, *, at_goal: bool) -> Iterator[Half]:
    random = np.random.default_rng(0)
    for _ in range(NUM_DRAWS):
        drawn, others = np.array_split(random.permutation(pool.defects), 2)
        claim = _claim(pool, drawn, at_goal=at_goal)
        if claim is not None:
            missed = int(np.sum(others < claim.pass_below))
            # As many misses or more under the promised rate are as few hits or fewer under its complement.
            refuted = p_value(len(others), len(others) - missed, 1 - claim.miss_rate) <= ALLOWED
            yield Half(claim.miss_rate, missed / len(others), refuted)


def _claim(pool: Pool, drawn: Scores, *, at_goal: bool) -> Claim | None:
    certificate = claims(pool.limits, drawn, pool.good, ACCEPTANCE)
    return certificate.claim if at_goal else certificate.nearest
