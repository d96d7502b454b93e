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


def test_tables_without_a_goal_are_named() -> None:
    assert "Tables without a goal: [New one](#new-one)." in head([Table("new", "New one", "", (), [])])
