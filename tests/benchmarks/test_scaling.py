"""Costs are found again in made-up runs, sizes follow from them, and the page holds what the figures say."""

from dataclasses import asdict, replace

import pytest

from tests.benchmarks import scaling_page
from tests.benchmarks.scaling import HEAD, SLICE_HEAD, Figures, Scaled, Slice, row, slice_row
from tests.benchmarks.scaling_sizing import Assumptions, Costs, fit, size

COSTS = Costs(3.0, 2.0, 100.0, 1.0, 0.5, 40.0, 20e3, 32e3, 100.0, 0.5)
RUN = Scaled(1, 5, 15.0, 15.0, True, (10.0, 20.0, 30.0), 0.0, 0.0, 0.0, 0, 0, {})


def run(stations: int, rate: float) -> Scaled:
    """One that costs exactly what COSTS says."""
    return replace(
        RUN,
        stations=stations,
        rate=rate,
        achieved=rate,
        service_ms=COSTS.piece_ms + (COSTS.station_ms * stations + COSTS.worker_ms) / rate,
        broker_ms=COSTS.broker_piece_ms + (COSTS.broker_station_ms * stations + COSTS.broker_idle_ms) / rate,
        memory_mib=COSTS.base_mib + COSTS.station_mib * stations,
        topic_bytes={"frames": 15e3, "pieces": 1e3, "verdicts": 4e3, "signals": COSTS.station_bytes * stations / rate},
    )


RUNS = [run(5, 15.0), run(10, 30.0), run(50, 150.0), run(50, 15.0)]


def test_costs_of_piece_and_station_are_told_apart() -> None:
    assert asdict(fit(RUNS)) == pytest.approx(asdict(COSTS))


def test_noise_makes_no_cost_negative() -> None:
    costs = fit([replace(each, service_ms=3.0 - each.stations / 100) for each in RUNS])
    assert costs.station_ms == 0.0
    assert 2.0 < costs.piece_ms < 3.0
    assert costs.worker_ms >= 0.0


def test_two_different_runs_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least three runs"):
        fit([RUNS[0], RUNS[1], RUNS[0]])


def test_sizes_are_computed_by_hand() -> None:
    assumed = Assumptions(pieces_per_s=2.0, busy=0.5, shards_per_worker=2, replication=3, topics=7, retention_h=1.0)
    each = size(1000, COSTS, assumed)
    assert each.pieces_per_s == 2000.0
    assert each.cores == pytest.approx((2000 * 3.0 + 1000 * 2.0) / 1e3)
    assert (each.workers, each.shards, each.replicas) == (20, 40, 40 * 7 * 3)
    assert each.mb_per_s == pytest.approx((2000 * 20e3 + 1000 * 32e3) / 1e6)
    assert each.brokers == 3
    assert each.disk_tb == pytest.approx(72e6 * 3 * 3600 / 1e12)
    assert each.worker_gib == pytest.approx((100 + 0.5 * 50) / 1024)


@pytest.mark.parametrize(
    ("change", "brokers"),
    [
        ({"broker_mb_s": 30.0}, 8),
        ({"broker_cores": 1, "busy": 0.54}, 15),
        ({"replication": 5}, 5),
    ],
)
def test_brokers_are_as_many_as_the_scarcest_thing_asks_for(change: dict[str, float], brokers: int) -> None:
    assumed = replace(Assumptions(pieces_per_s=2.0), **change)  # type: ignore[arg-type]
    assert size(1000, COSTS, assumed).brokers == brokers


def test_a_worker_that_is_busy_by_itself_is_an_error() -> None:
    with pytest.raises(ValueError, match="600 ms a second, which leaves nothing for pieces"):
        size(1, replace(COSTS, worker_ms=600.0), Assumptions(busy=0.6))


def test_one_station_needs_one_worker() -> None:
    assert size(1, COSTS, Assumptions()).workers == 1


def test_rows_have_a_cell_for_each_column() -> None:
    assert row(RUNS[0]).count("|") == HEAD.splitlines()[0].count("|")
    assert slice_row(Slice(30.0, 200.0, 10.0, 20.0, 3.0)) == "| 30 | 200 | 10 | 20 | 3.00 |"
    assert SLICE_HEAD.splitlines()[0].count("|") == 6


def test_the_page_holds_what_the_figures_say() -> None:
    figures = scaling_page.read_figures()
    page = scaling_page.PAGE.read_text()
    assert scaling_page.fill(page, scaling_page.blocks(figures, Assumptions())) == page


def test_a_page_without_a_place_for_a_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places for 'costs', expected one"):
        scaling_page.fill("<!-- costs -->", {"costs": ["| a |"]})


def test_a_table_is_replaced_between_its_markers() -> None:
    page = "a\n<!-- x -->\nold\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n"
    filled = scaling_page.fill(page, {"x": ["new"], "y": ["1", "2"]})
    assert filled == "a\n<!-- x -->\nnew\n<!-- end -->\nb\n<!-- y -->\n1\n2\n<!-- end -->\n"


def test_plots_have_curves_of_equal_length() -> None:
    slices = [Slice(60.0 * n, 200.0 + n, 10.0, 20.0, 3.0) for n in range(1, 4)]
    figures = Figures(60.0, stations=RUNS[:3], equal_rate=RUNS[3:], soak=slices, soak_rate=200.0)
    first, second = scaling_page.plots(figures)
    each, together = first.lines
    assert (each.x, together.x) == ([5.0, 10.0, 50.0], [5.0, 50.0])
    assert together.y == pytest.approx([3 + 110 / 15, 3 + 200 / 15])
    assert second.lines[0].y == pytest.approx([1.0, 202 / 201, 203 / 201])


def test_a_lagging_run_says_so() -> None:
    figures = Figures(60.0, stations=[replace(RUNS[0], keeps_up=False, achieved=9.0)])
    assert "9 of 15: lag grows" in scaling_page.measured_table(figures)[2]
