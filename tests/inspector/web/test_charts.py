"""The figures behind the charts, through starlette's own client on a filled archive."""

import re
import time
from html import unescape
from pathlib import Path

import pytest
from starlette.datastructures import QueryParams
from starlette.testclient import TestClient

from inspector.archive import chart_figures
from inspector.web.chart_range import MAX_STEPS, SPANS, read_range, steps
from inspector.web.pages.charts import TITLES
from protos.inspection.v1.verdict_pb2 import Decision, ModalityState
from tests.inspector.web.filled_archive import NS, START_NS, verdict_of
from tests.inspector.web.piece_parts import HOSTILE, Pages
from tests.inspector.web.test_pieces import ids

RANGE = "since=2025-11-30T08:00:00Z&until=2025-11-30T08:10:00Z"
NUM_PIECES = 600


def spec_of(client: TestClient, name: str, query: str = RANGE) -> dict:
    return client.get(f"/charts/{name}.json?{query}").json()["charts"][0]


def test_yield_counts_what_passed_in_each_step(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    spec = spec_of(client, "yield")
    values = [point["value"] for point in spec["series"][0]["points"]]

    assert values[0] == pytest.approx(0.92, abs=0.03)
    assert values[-1] is None
    assert "of 600 pieces passed at once" in spec["summary"]


def test_the_defect_rate_has_limits_around_its_mean(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    spec = spec_of(client, "defects")

    assert spec["limits"][0]["centre"] == pytest.approx(0.05)
    assert spec["limits"][0]["low"] < 0.05 < spec["limits"][0]["high"]
    assert not any(point["flagged"] for point in spec["series"][0]["points"])


def test_a_burst_of_defects_is_flagged_and_said_in_words(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES * 4)
    for number in range(60):
        verdict = verdict_of(7)
        verdict.inspection.piece_id = f"burst-{number}"
        verdict.entry_ns = START_NS + 250 * NS
        pages.archive.put(verdict)

    spec = spec_of(client, "defects")
    flagged = [point for point in spec["series"][0]["points"] if point["flagged"]]

    assert len(flagged) == 1
    assert "above the upper limit" in flagged[0]["text"]
    assert "One point is outside the control limits" in spec["summary"]


def test_a_point_opens_exactly_the_pieces_that_it_counts(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)
    point = spec_of(client, "defects")["series"][0]["points"][1]
    num_failed = int(point["text"].split(", ")[1].split(" of ")[0])

    text = client.get(unescape(point["href"])).text

    assert num_failed > 0
    assert len(ids(text)) == num_failed


def test_classes_are_ordered_by_count_and_add_up(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    bars = spec_of(client, "classes")["bars"]

    assert [bar["count"] for bar in bars] == sorted((bar["count"] for bar in bars), reverse=True)
    assert bars[-1]["running"] == pytest.approx(1)
    assert len(ids(client.get(bars[0]["href"]).text)) == min(bars[0]["count"], 50)


def test_more_classes_than_bars_are_said(pages: Pages, client: TestClient) -> None:
    for number in range(15):
        verdict = verdict_of(7)
        verdict.classes[0].name = f"class-{number}"
        verdict.classes[0].probability = 1
        pages.archive.put(verdict)

    spec = spec_of(client, "classes")

    assert len(spec["bars"]) == 10
    assert "5 of rarer classes are not drawn" in spec["summary"]


def test_scores_are_counted_in_bins_and_the_limits_are_named(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    spec = spec_of(client, "scores")

    assert sum(each["count"] for each in spec["bins"]) == NUM_PIECES
    assert [mark["at"] for mark in spec["marks"]] == [0.3, 0.7]


def test_a_score_of_one_is_in_the_last_bin(pages: Pages, client: TestClient) -> None:
    verdict = verdict_of(7)
    verdict.defect_score = 1
    pages.archive.put(verdict)

    assert spec_of(client, "scores")["bins"][-1]["count"] == 1


def test_limits_that_changed_are_said(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(20)
    verdict = verdict_of(7)
    verdict.fail_above = 0.8
    pages.archive.put(verdict)

    assert "Not all had the same limits" in spec_of(client, "scores")["summary"]


def test_latency_has_the_middle_and_the_slow_ones(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    spec = spec_of(client, "latency")
    second = {series["name"]: series["points"][1]["value"] for series in spec["series"]}

    assert 39 <= second["p50"] < second["p95"] < second["p99"] <= 138
    assert "Half of 600 pieces had their verdict 88 ms after capture, 95 % of them 133 ms" in spec["summary"]
    assert "sample" not in spec["summary"]


def test_latency_of_many_pieces_is_read_from_a_sample(
    pages: Pages, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_figures, "MAX_LATENCIES", 5_000)
    pages.archive.fill(5_125)

    spec = spec_of(client, "latency", "since=2025-11-30T08:00:00Z&until=2025-11-30T09:00:00Z")

    sample = re.search(r"from a sample of ([0-9,]+)", spec["summary"])
    assert sample
    assert int(sample[1].replace(",", "")) == pytest.approx(2_562, abs=100)
    assert spec["series"][0]["points"][0]["value"] == pytest.approx(88, abs=3)


def test_sensors_show_the_worst_first_and_those_that_were_always_there(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    charts = client.get(f"/charts/sensors.json?{RANGE}").json()["charts"]
    names = [chart["title"] for chart in charts]

    assert names[0] == "mic at line-1 / drill"
    assert set(names[1:]) == {"mic at line-1 / press", "top at line-1 / drill", "top at line-1 / press"}
    assert charts[0]["rows"][0]["shares"][1] == pytest.approx(0.04, abs=0.02)
    assert all(sum(row["shares"]) == pytest.approx(1) for chart in charts for row in chart["rows"])


def test_a_chart_is_about_the_station_that_its_address_names(pages: Pages, client: TestClient) -> None:
    pages.archive.fill(NUM_PIECES)

    assert "of 300 pieces" in spec_of(client, "yield", f"{RANGE}&station=press")["summary"]
    assert "station=press" in spec_of(client, "yield", f"{RANGE}&station=press")["series"][0]["points"][0]["href"]


@pytest.mark.parametrize("name", TITLES)
def test_no_pieces_in_this_time_says_where_the_last_ones_are(pages: Pages, client: TestClient, name: str) -> None:
    pages.archive.fill(20)

    answer = client.get(f"/charts/{name}.json?since=2024-01-01T00:00Z&until=2024-01-01T08:00Z").json()

    assert all(chart["is_empty"] for chart in answer["charts"])
    assert answer["newest_ms"] == pytest.approx(START_NS / 1e6, abs=2000)


@pytest.mark.parametrize("name", TITLES)
def test_an_empty_archive_has_empty_charts(client: TestClient, name: str) -> None:
    answer = client.get(f"/charts/{name}.json").json()

    assert all(chart["is_empty"] for chart in answer["charts"])
    assert answer["newest_ms"] is None


def test_an_unknown_chart_is_not_there(client: TestClient) -> None:
    assert client.get("/charts/weather.json").status_code == 404


@pytest.mark.parametrize(
    "query", ["since=2020-01-01T00:00Z&until=2025-01-01T00:00Z", "since=tomorrow", "since=2030-01-01&until=2029-01-01"]
)
def test_a_time_that_cannot_be_shown_says_what_to_choose(client: TestClient, query: str) -> None:
    answer = client.get(f"/charts?{query}")

    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize("span_s", [1, 59, 3600, 8 * 3600, 86_399, 86_400])
def test_every_time_has_at_most_so_many_steps_and_reaches_its_end(span_s: int) -> None:
    until_ns = 1_764_489_600_123_456_789

    stretch = steps(until_ns, span_s)

    assert stretch.num_steps <= MAX_STEPS
    assert stretch.until_ns - stretch.step_ns < until_ns <= stretch.until_ns


def test_a_long_time_a_year_ago_has_steps_of_whole_hours() -> None:
    hour_ns, now_ns = 3600 * NS, 1_764_489_600 * NS

    assert steps(now_ns, 8 * 3600, now_ns).step_ns == 300 * NS
    assert steps(now_ns - 365 * 24 * hour_ns, 8 * 3600, now_ns).step_ns == hour_ns
    assert steps(now_ns - 365 * 24 * hour_ns, 3600, now_ns).step_ns == 60 * NS


@pytest.mark.parametrize("name", SPANS)
def test_the_last_hours_end_now(name: str) -> None:
    chart = read_range(QueryParams(f"range={name}"))

    assert chart.stretch.until_ns >= time.time_ns()
    assert chart.stretch.until_ns - chart.stretch.since_ns >= SPANS[name] * NS * 0.9


def test_hostile_names_of_sensors_and_classes_stay_text(pages: Pages, client: TestClient) -> None:
    for name in HOSTILE:
        verdict = verdict_of(7)
        verdict.classes[0].name, verdict.modalities[1].name = name, name
        verdict.modalities[1].state = ModalityState.MODALITY_STATE_STALE
        verdict.decision = Decision.DECISION_FAIL
        pages.archive.put(verdict)

    for chart in TITLES:
        answer = client.get(f"/charts/{chart}.json?{RANGE}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"


def test_an_archive_that_is_away_is_said_by_each_chart(pages: Pages, client: TestClient, tmp_path: Path) -> None:
    pages.archive.database.close()
    (tmp_path / "archive.sqlite").unlink()
    (tmp_path / "archive.sqlite").mkdir()

    answer = client.get("/charts/yield.json")

    assert answer.status_code == 503
    assert "cannot be read at the moment" in answer.json()["error"]
    assert client.get("/charts").status_code == 503


@pytest.mark.parametrize(("age_s", "chosen"), [(300, "1h"), (5 * 3600, "8h"), (20 * 3600, "24h"), (90 * 86_400, "8h")])
def test_a_young_archive_is_shown_whole_until_somebody_chooses_a_time(
    pages: Pages, client: TestClient, age_s: int, chosen: str
) -> None:
    pages.archive.fill(2, start_ns=time.time_ns() - age_s * 10**9)
    pages.archive.count()
    assert f'value="{chosen}" selected' in client.get("/charts").text
    assert 'value="24h" selected' in client.get("/charts?range=24h").text
    points = client.get("/charts/yield.json").json()["charts"][0]
    assert points["is_empty"] is (age_s > 86_400)
