"""The summary of RESULTS.md agrees with the tables below it and is written by the bench."""

import re
from pathlib import Path

import pytest

from tests.benchmarks.evidence.claims import Claim, claims, head
from tests.benchmarks.evidence.table import Table

RESULTS = Path(__file__).parents[2] / "RESULTS.md"
NAMES = {
    "Fusion, single modalities, noisy-or": "accuracy",
    "Defects that are a disagreement of picture and sound": "disagreement",
    "Routing: computing against recall": "frontier",
    "Cold start: good pieces alone": "cold_start",
    "A modality that is missing": "missing",
    "Promised and observed misses": "certificates",
    "Explanations": "explanations",
    "Lines with few independent recordings": "small",
}


def tables_of(page: str) -> list[Table]:
    """The tables of a page of results, read back; plots are left out."""
    tables = []
    for section in page.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title in ("Claims", "How it was measured"):
            continue
        question = body.strip().partition("\n")[0]
        rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in row] for row in rows if not set(row[0]) <= {"-"}]
        notes = [line.removeprefix("- ") for line in body.splitlines() if line.startswith("- ")]
        tables.append(Table(NAMES.get(title, title), title, question, cells[0], cells[1:], notes))
    return tables


def test_the_summary_agrees_with_the_tables() -> None:
    page = RESULTS.read_text(encoding="utf-8")
    assert page.startswith("# Results\n\n" + head(tables_of(page)))


def test_every_link_of_the_head_leads_to_a_heading() -> None:
    page = RESULTS.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", line[3:].lower()).replace(" ", "-") for line in re.findall(r"^## .*$", page, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= anchors


def accuracy(figures: str, goal: str) -> list[Claim]:
    columns = ("set", "score", "accuracy, limit from calibration", "AUC", "goal")
    return claims(Table("accuracy", "A", "", columns, [("wafer", "fused", *figures.split(" / "), goal)]))


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [("0.951 ± 0.010 / 0.980 ± 0.001", ": reached"), ("0.951 / 0.979", "**missed**"), ("0.949 / 0.990", "**missed**")],
)
def test_a_goal_is_reached_only_by_both_figures(figures: str, verdict: str) -> None:
    (claim,) = accuracy(figures, "0.95 / 0.98")
    assert claim.reached.endswith(verdict)
    assert claim.reached.startswith(figures)


@pytest.mark.parametrize(("passed", "reached"), [("0", "0: reached"), ("1", "1: **missed**")])
def test_a_single_silent_pass_misses_the_goal(passed: str, reached: str) -> None:
    table = Table("missing", "M", "", (), [], [f"PASS with a modality removed, all rows together: {passed}."])
    assert [claim.reached for claim in claims(table)] == [reached]


@pytest.mark.parametrize(("saved", "stated"), [("-0.0%", "0.0%"), ("-3.1%", "-3.1%"), ("41.0%", "41.0%")])
def test_a_line_without_a_router_misses_its_goal_in_the_summary(saved: str, stated: str) -> None:
    note = f"tile_tap: (i) {saved} saved, recall lost 0.000 [0.000, 0.000]: goal missed (an oracle saves 69.2%); (ii)"
    (claim,) = claims(Table("frontier", "F", "", (), [], [note]))
    assert claim.reached == f"{stated}, recall lost 0.000 [0.000, 0.000]: **missed** (an oracle saves 69.2%)"


def test_tables_without_a_goal_are_named() -> None:
    assert "Tables without a goal: [New one](#new-one)." in head([Table("new", "New one", "", (), [])])


def small(**cells: str) -> list[Claim]:
    columns = ("set", "groups", "difference", "draws", "mean", "median", "worst decile", "draws that lose")
    return claims(Table("small", "A", "", columns, [tuple(cells.get(name.replace(" ", "_"), "") for name in columns)]))


@pytest.mark.parametrize(
    ("difference", "mean", "worst", "verdict"),
    [
        ("fused - noisy-or", "+0.001 / -0.020", "-0.010 / -0.050", ": reached"),
        ("fused - noisy-or", "-0.001 / +0.020", "-0.010 / +0.000", "**missed**"),
        ("fused - noisy-or", "+0.001 / +0.020", "-0.011 / +0.000", "**missed**"),
        ("routed - all experts", "-0.001 / -0.002", "-0.010 / -0.010", ": reached"),
        ("routed - all experts", "-0.001 / -0.002", "-0.010 / -0.011", "**missed**"),
    ],
)
def test_lines_with_few_recordings_reach_the_goal_in_the_mean_and_the_worst_decile(
    difference: str, mean: str, worst: str, verdict: str
) -> None:
    (claim,) = small(set="all", groups="all", difference=difference, draws="90", mean=mean, worst_decile=worst)
    assert claim.reached.endswith(verdict)


@pytest.mark.parametrize(("mean", "verdict"), [("+0.010 / -0.1", ": reached"), ("-0.001 / +0.1", "**missed**")])
def test_the_simple_peer_is_beaten_on_every_set(mean: str, verdict: str) -> None:
    (claim,) = small(set="tile_tap", groups="25%", difference="fused - simple peer", draws="10", mean=mean)
    assert claim.reached.endswith(verdict)
    assert "on tile_tap at 25%" in claim.reached


@pytest.mark.parametrize(("beyond", "verdict"), [(4, ": reached"), (5, "**missed**")])
def test_promises_break_on_no_more_lines_than_their_confidence_allows(beyond: int, verdict: str) -> None:
    lost = f"9 of 80 above, {beyond} of 80 beyond chance"
    (claim,) = small(set="all", groups="all", difference="good pieces that fail - promised", draws_that_lose=lost)
    assert claim.reached.endswith(verdict)
