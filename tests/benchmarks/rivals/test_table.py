"""Rows of the tables, the highest rate without growing lag, and a reason where a peer is faster."""

from dataclasses import replace

import pytest

from tests.benchmarks.rivals import table
from tests.benchmarks.rivals.contestants import REQUESTS, STREAMS, names
from tests.benchmarks.rivals.counting import Tally
from tests.benchmarks.rivals.inspecting import Answered
from tests.benchmarks.rivals.kills import Killed
from tests.benchmarks.rivals.steady import Steady, beyond_window_ms

WHOLE = Tally(100, 0, 0, 0, 0)
STEADY = Steady("inspector", 100.0, 99.5, (10.0, 20.0, 30.0), {"service": 4.0, "broker": 1.0}, 250.0, 0.1, 0.0, WHOLE)
ANSWERED = Answered("inspector", 1, 8, 200.0, (1.0, 2.0, 3.0), 4.0, 0.5, 250.0, 0)


def cells(text: str) -> int:
    return text.count("|") - 1


def test_rows_have_a_cell_for_each_column() -> None:
    killed = Killed("loop", 10, 2.5, Tally(2400, 30, 1, 0, 0))
    for head, row in (
        (table.STEADY_HEAD, table.steady_row(STEADY)),
        (table.KILLED_HEAD, table.killed_row(killed)),
        (table.ANSWERED_HEAD, table.answered_row(ANSWERED)),
    ):
        title, line = head.splitlines()
        assert cells(title) == cells(line) == cells(row)
    assert table.killed_row(killed) == "| loop | 10 | 2.5 | 2400 | 30 | 1 | 0 |"


def test_the_highest_rate_is_the_last_at_which_the_lag_did_not_grow() -> None:
    results = [
        STEADY,
        replace(STEADY, offered=200.0),
        replace(STEADY, offered=300.0, growth_s=2.0),
        replace(STEADY, name="loop", growth_s=3.0),
    ]
    assert table.highest(results) == {"inspector": 200.0, "loop": 0.0}


@pytest.mark.parametrize(
    ("change", "keeps_up"),
    [
        ({}, True),
        ({"growth_s": 0.6}, False),
        ({"behind_s": 0.6}, False),
        ({"tally": replace(WHOLE, lost=1)}, False),
        ({"tally": replace(WHOLE, doubled=1)}, True),
    ],
)
def test_growing_lag_a_late_publisher_and_lost_pieces_are_not_keeping_up(
    change: dict[str, float], keeps_up: bool
) -> None:
    assert replace(STEADY, **change).keeps_up is keeps_up  # type: ignore[arg-type]


def test_a_faster_peer_gets_its_reason_and_a_slower_one_none() -> None:
    lines = table.reasons({"inspector": 200.0, "loop-2": 400.0, "quix": 150.0}, "pieces/s")
    assert len(lines) == 1
    assert lines[0].startswith("- loop-2 is faster (400 pieces/s, the service 200): at most once")
    assert table.reasons({"loop": 400.0}, "pieces/s") == []


def test_a_cheaper_peer_is_named_only_at_a_rate_that_both_keep() -> None:
    loop = replace(STEADY, name="loop", cpu_ms={"service": 2.0})
    lines = table.cheaper([STEADY, loop, replace(loop, offered=200.0), replace(loop, name="quix", growth_s=9.0)])
    assert len(lines) == 1
    assert lines[0].startswith("- loop is cheaper (2.00 ms of CPU a piece at 100/s, the service 4.00)")


def test_requests_are_compared_at_equal_batches() -> None:
    results = [
        ANSWERED,
        replace(ANSWERED, per_s=150.0),
        replace(ANSWERED, name="litserve", per_s=180.0),
        replace(ANSWERED, name="litserve-8", max_batch=8, per_s=900.0),
    ]
    assert table.fastest(results, 1) == {"inspector": 200.0, "litserve": 180.0}
    assert table.fastest(results, 8) == {"litserve-8": 900.0}


def test_every_peer_has_a_reason_and_every_contestant_its_settings() -> None:
    peers = {table.family(name) for name in names()} - {table.OURS}
    assert peers == set(table.REASONS)
    assert all(each.settings for each in STREAMS)
    assert all(each.settings for each in REQUESTS)


def test_latency_counts_from_the_end_of_the_window() -> None:
    entry_ns = 1_000_000_000
    assert beyond_window_ms(entry_ns + 10_000_000, entry_ns + 250_000_000) == pytest.approx(0.0)
