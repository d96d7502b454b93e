"""How far reviewers agree with known truth and with each other: exact proportions, both kinds of error apart, and
Cohen's kappa with its interval. Says where there are too few pieces to tell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from protos.inspection.v1.records_pb2 import Label

CONFIDENCE = 0.95
MISS_LIMIT, FALSE_ALARM_LIMIT = 0.02, 0.05
"""Customary bounds of an attribute study: at most 2 % misses and 5 % false alarms."""
_OK, _NOK, _UNSURE = Label.LABEL_OK, Label.LABEL_NOK, Label.LABEL_UNSURE


class AgreementError(RuntimeError):
    """The figures cannot be computed here; the message says what to install."""


class Answered(NamedTuple):
    """Two findings about one piece: the truth or one person's, and another person's."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of pieces with its exact (Clopper-Pearson) interval."""

    count: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AgainstTruth:
    """One reviewer on known pieces."""

    reviewer: str
    false_alarms: Proportion
    """Good pieces that were called NOK."""
    misses: Proportion
    """Defective pieces that were called OK."""
    unsure: Proportion
    """Known pieces about which the reviewer did not know."""
    kappa: Kappa | None
    """None where the truth or the reviewer has one answer only."""
    notes: tuple[str, ...]
    """What so few pieces cannot show."""


@dataclass(frozen=True, slots=True)
class BetweenPeople:
    """Two people on the same pieces, each without knowing the other's answer."""

    first: str
    second: str
    equal: Proportion
    """Pieces on which both said the same, OK or NOK."""
    only_first_nok: Proportion
    only_second_nok: Proportion
    kappa: Kappa | None
    notes: tuple[str, ...]


def against_truth(reviewer: str, answers: Sequence[Answered]) -> AgainstTruth:
    """`first` is the truth, OK or NOK. Raises AgreementError."""
    good = [answer for truth, answer in answers if truth == _OK]
    bad = [answer for truth, answer in answers if truth == _NOK]
    sure_good, sure_bad = _sure(good), _sure(bad)
    false_alarms = proportion(sure_good.count(_NOK), len(sure_good))
    misses = proportion(sure_bad.count(_OK), len(sure_bad))
    notes = (
        *too_few("misses", misses, "defective known pieces", MISS_LIMIT),
        *too_few("false alarms", false_alarms, "good known pieces", FALSE_ALARM_LIMIT),
    )
    unsure = proportion(len(answers) - len(sure_good) - len(sure_bad), len(answers))
    return AgainstTruth(reviewer, false_alarms, misses, unsure, kappa(answers), notes)


def between_people(first: str, second: str, answers: Sequence[Answered]) -> BetweenPeople:
    """Pieces about which one of them did not know do not count. Raises AgreementError."""
    sure = [both for both in answers if _UNSURE not in both]
    total = len(sure)
    notes = () if total >= MIN_PAIRS else (
        f"only {total} pieces were answered by both: below {MIN_PAIRS} kappa says little, read the interval",
    )  # fmt: skip
    return BetweenPeople(
        first,
        second,
        proportion(sum(a == b for a, b in sure), total),
        proportion(sum((a, b) == (_NOK, _OK) for a, b in sure), total),
        proportion(sum((a, b) == (_OK, _NOK) for a, b in sure), total),
        kappa(sure),
        notes,
    )


MIN_PAIRS = 50


def proportion(count: int, total: int) -> Proportion:
    """Raises AgreementError."""
    if total == 0:
        return Proportion(0, 0, 0.0, 1.0)
    try:
        from statsmodels.stats.proportion import proportion_confint
    except ModuleNotFoundError as exc:
        raise _missing(exc) from exc
    low, high = proportion_confint(count, total, alpha=1 - CONFIDENCE, method="beta")
    return Proportion(count, total, float(low), float(high))


def kappa(answers: Sequence[Answered]) -> Kappa | None:
    """Over OK and NOK; None where one side gave one answer only, for then kappa is 0 or undefined whatever the other
    side said. Raises AgreementError."""
    table = np.zeros((2, 2), int)
    for both in answers:
        if _UNSURE not in both:
            table[int(both.first == _NOK), int(both.second == _NOK)] += 1
    if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
        return None
    try:
        from statsmodels.stats.inter_rater import cohens_kappa
    except ModuleNotFoundError as exc:
        raise _missing(exc) from exc
    estimate = cohens_kappa(table)
    return Kappa(float(estimate.kappa), max(-1.0, float(estimate.kappa_low)), min(1.0, float(estimate.kappa_upp)))


def too_few(what: str, observed: Proportion, of: str, limit: float) -> tuple[str, ...]:
    """A sentence where the pieces cannot show that the share is at most `limit`, even without a single error."""
    needed = num_needed(limit)
    if observed.total >= needed:
        return ()
    return (
        f"{observed.count} {what} in {observed.total} {of}: this cannot show at most {limit:.0%}, "
        f"for which {needed} without an error are needed ({needed - observed.total} more)",
    )


def num_needed(limit: float) -> int:
    """Pieces without a single error that show a share of at most `limit`, one-sided at 95 %: 149 for 2 %."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - limit))


def _sure(answers: Sequence[int]) -> list[int]:
    return [answer for answer in answers if answer in (_OK, _NOK)]


def _missing(exc: ModuleNotFoundError) -> AgreementError:
    return AgreementError(
        f"figures of agreement need {exc.name}, which is not installed: in the checkout, pip install '.[agreement]'"
    )
