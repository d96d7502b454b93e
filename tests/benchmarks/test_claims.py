"""The table that RESULTS.md begins with: it says what the tables below it say, and is written by the bench."""

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
        asked = body.strip().partition("\n")[0]
        rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in row] for row in rows if not set(row[0]) <= {"-"}]
        notes = [line.removeprefix("- ") for line in body.splitlines() if line.startswith("- ")]
        tables.append(Table(NAMES.get(title, title), title, asked, cells[0], cells[1:], notes))
    return tables


def test_the_head_of_the_page_says_what_its_tables_say() -> None:
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
    ("figures", "says"),
    [("0.951 ± 0.010 / 0.980 ± 0.001", ": reached"), ("0.951 / 0.979", "**missed**"), ("0.949 / 0.990", "**missed**")],
)
def test_a_goal_is_reached_only_by_both_figures(figures: str, says: str) -> None:
    (claim,) = accuracy(figures, "0.95 / 0.98")
    assert claim.reached.endswith(says)
    assert claim.reached.startswith(figures)


@pytest.mark.parametrize(("passed", "says"), [("0", "0: reached"), ("1", "1: **missed**")])
def test_a_single_silent_pass_misses_the_goal(passed: str, says: str) -> None:
    table = Table("missing", "M", "", (), [], [f"PASS with a modality removed, all rows together: {passed}."])
    assert [claim.reached for claim in claims(table)] == [says]


def test_tables_without_a_goal_are_named() -> None:
    assert "Without a goal of their own: [New one](#new-one)." in head([Table("new", "New one", "", (), [])])
