"""What the bench keeps and shows: scored pieces come back as they were, tables become a page with its plots."""

from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from fusion.scored import Scored
from tests.benchmarks.evidence.keeping import read_scored, write_scored
from tests.benchmarks.evidence.table import Line, Plot, Table

page = pytest.importorskip("tests.benchmarks.evidence.page", reason="needs matplotlib")

TABLE = Table(
    name="made",
    title="A made-up table",
    asked="Whether it is written.",
    columns=("set", "figure"),
    rows=[("wafer", "0.5")],
    notes=["nothing was measured"],
    plots=[Plot("curve", "Costs & recall", "cost", "recall", [Line("all < some", [1, 2], [0.5, 0.6])])],
)


def scored() -> Scored:
    return Scored(
        piece_ids=("ä 1", "b"),
        labels=np.array([True, False]),
        units=(frozenset({"top=1"}), frozenset({"top=2", "mic=é"})),
        experts=("ear", "eye"),
        expert_logits=np.array([[1.5, np.nan], [-2.0, 1e-12]]),
        sets=(frozenset({"ear"}), frozenset({"eye", "ear"})),
        logits=np.array([[0.1, np.nan], [np.nan, 3.0]]),
        cpu_s=np.array([[1e-3, 0.0], [2e-3, 2e-3]]),
        unseen=np.array([False, True]),
    )


def test_scored_pieces_come_back_as_they_were(tmp_path: Path) -> None:
    write_scored(tmp_path / "kept.npz", scored())
    found = read_scored(tmp_path / "kept.npz")
    for own in fields(Scored):
        before, after = getattr(scored(), own.name), getattr(found, own.name)
        np.testing.assert_array_equal(before, after, strict=isinstance(before, np.ndarray))
        assert type(before) is type(after)


def test_a_page_holds_the_tables_and_shows_their_plots(tmp_path: Path) -> None:
    path = page.write_page(tmp_path / "results", [TABLE, TABLE], 125.0)
    text = path.read_text()
    assert text.count("## A made-up table") == 2
    assert "| wafer | 0.5 |" in text
    assert "- nothing was measured" in text
    assert "Measured in 2 minutes" in text
    assert "![Costs & recall](curve.svg)" in text
    drawn = ElementTree.parse(tmp_path / "results" / "curve.svg").getroot()  # noqa: S314 - our own file
    assert drawn.tag.endswith("svg")


def test_the_same_plot_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        page.write_page(tmp_path / name, [TABLE], 1.0)
    assert (tmp_path / "one" / "curve.svg").read_bytes() == (tmp_path / "other" / "curve.svg").read_bytes()


def test_a_page_is_written_over(tmp_path: Path) -> None:
    page.write_page(tmp_path, [TABLE, TABLE], 1.0)
    assert page.write_page(tmp_path, [TABLE], 1.0).read_text().count("## A made-up table") == 1
