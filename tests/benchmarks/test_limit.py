"""The bare work: batches of the asked size, the judge's share of full experts, a sum of workers."""

import pytest

from tests.benchmarks.limit import HEAD, Limit, Worked, full_share, per_s, row, work
from tests.benchmarks.rivals.expected import BUNDLE, pool, requests_of, verdicts_of
from tests.benchmarks.rivals.model import Model


def test_the_bare_work_routes_the_share_that_the_judge_routes() -> None:
    pieces = pool(40)
    bodies = [request.SerializeToString() for request in requests_of(pieces)]
    model = Model(BUNDLE)
    once = work(model, bodies, 40, 1e-9)
    assert once.pieces == 40
    assert once.in_full / once.pieces == full_share(verdicts_of(pieces))


def test_workers_at_the_same_time_add_up() -> None:
    assert per_s([Worked(100, 10, 2.0, 1.9), Worked(60, 6, 1.0, 0.9)]) == pytest.approx(110.0)


def test_a_row_has_a_cell_for_each_column() -> None:
    limit = Limit(2, 0.1, 0.1, 1.6, 600.0, 1000.0, 1200.0)
    assert row(limit) == "| 2 | 10.0% | 10.0% | 1.60 | 600 | 1000 | 1200 |"
    assert row(limit).count("|") == HEAD.splitlines()[0].count("|")
