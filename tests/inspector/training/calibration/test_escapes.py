"""The PASS limit from few defective pieces: what calibrated log-odds say, with the uncertainty of their scale."""

import numpy as np
import pytest

from inspector.training.calibration.escapes import escape_bound
from inspector.training.calibration.limits import LabelledPieces

RATE, CONFIDENCE = 0.02, 0.95


def line(num: int, seed: int, *, plain: float = 0.5) -> LabelledPieces:
    """Half of the pieces are defective, this share of them plain to see; log-odds are right but for their scale."""
    random = np.random.default_rng(seed)
    states = np.where(random.random(num) < plain / 2, 8.0, -2.0) + 2 * random.standard_normal(num)
    labels = random.random(num) < 1 / (1 + np.exp(-states))
    units = [{f"picture={index % (num // 2)}", f"sound={index % (num // 3)}"} for index in range(num)]
    return LabelledPieces(states * random.uniform(0.8, 1.25), labels, units)


def missed(limit: float, num: int = 20_000) -> float:
    states = line(num, seed=10**6)
    return float(np.mean(states.log_odds[states.labels] < limit))


@pytest.mark.parametrize("num", [40, 120])
def test_at_most_the_promised_share_of_lines_lets_more_defects_pass_than_promised(num: int) -> None:
    limits = [-escape_bound(*line(num, seed), RATE, CONFIDENCE).limit for seed in range(60)]
    broken = [missed(limit) > RATE for limit in limits]
    assert sum(broken) <= 6  # 5 % of 60 are 3; 7 or more would be chance in 1 of 70 tests
    assert np.mean(np.isfinite(limits)) > 0.9


def test_good_pieces_pass_where_half_of_the_defects_are_plain_to_see() -> None:
    """The tail from the median of such defects lets none pass."""
    passing = []
    for seed in range(20):
        pieces = line(200, seed)
        limit = -escape_bound(*pieces, RATE, CONFIDENCE).limit
        passing.append(np.mean(pieces.log_odds[~pieces.labels] < limit))
    assert np.mean(passing) > 0.1


def test_no_defect_that_was_seen_passes() -> None:
    pieces = line(120, seed=1)
    hidden = pieces._replace(log_odds=np.append(pieces.log_odds, -9.0), labels=np.append(pieces.labels, True))
    bound = escape_bound(hidden.log_odds, hidden.labels, [*hidden.units, {"picture=hidden"}], RATE, CONFIDENCE)
    assert -bound.limit <= -9.0
    assert (bound.method, bound.beyond) == ("calibration", 0.0)


def test_many_defects_are_counted() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(800) % 2 == 0
    log_odds = np.where(labels, 2.0, -2.0) + random.standard_normal(800)
    bound = escape_bound(log_odds, labels, [{f"{index}"} for index in range(800)], RATE, CONFIDENCE)
    assert bound.method == "count"


@pytest.mark.parametrize("labels", [[True] * 6, [False] * 6])
def test_pieces_of_one_label_promise_nothing_of_the_other(labels: list[bool]) -> None:
    bound = escape_bound(np.arange(6.0), np.array(labels), [{f"{index}"} for index in range(6)], RATE, CONFIDENCE)
    assert bound.method == "tail"


def test_the_same_pieces_get_the_same_limit() -> None:
    pieces = line(120, seed=2)
    assert escape_bound(*pieces, RATE, CONFIDENCE) == escape_bound(*pieces, RATE, CONFIDENCE)
