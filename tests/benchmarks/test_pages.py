"""Scored pieces come back unchanged, and tables become a page with plots."""

from dataclasses import fields, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from fusion.scored import Scored
from tests.benchmarks.evidence import page
from tests.benchmarks.evidence.keeping import read_scored, write_scored
from tests.benchmarks.evidence.table import Line, Plot, Table

TABLE = Table(
    name="made",
    title="A made-up table",
    question="Whether it is written.",
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
    loaded = read_scored(tmp_path / "kept.npz")
    for field in fields(Scored):
        before, after = getattr(scored(), field.name), getattr(loaded, field.name)
        np.testing.assert_array_equal(before, after, strict=isinstance(before, np.ndarray))
        assert type(before) is type(after)


def written(folder: Path, tables: list[Table]) -> str:
    pytest.importorskip("matplotlib", reason="draws the plots")
    page.write_page(folder / "RESULTS.md", folder / "plots", tables, 125.0)
    text: str = (folder / "RESULTS.md").read_text()
    return text


def test_a_page_holds_the_tables_and_shows_their_plots(tmp_path: Path) -> None:
    text = written(tmp_path, [TABLE, TABLE])
    assert text.count("## A made-up table") == 2
    assert "| wafer | 0.5 |" in text
    assert "- nothing was measured" in text
    assert "in 2 minutes" in text
    assert "![Costs & recall](plots/curve.svg)" in text
    drawn = ElementTree.parse(tmp_path / "plots" / "curve.svg").getroot()  # noqa: S314 - our own file
    assert drawn.tag.endswith("svg")


def test_the_same_plot_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, [TABLE])
    first, second = (tmp_path / name / "plots" / "curve.svg" for name in ("one", "other"))
    assert first.read_bytes() == second.read_bytes()


def test_tables_are_kept_and_come_back_in_the_order_asked(tmp_path: Path) -> None:
    page.keep_table(tmp_path, TABLE)
    page.keep_table(tmp_path, replace(TABLE, name="another", plots=[]))
    tables = page.kept_tables(tmp_path, ["another", "absent", "made"])
    assert [table.name for table in tables] == ["another", "made"]
    assert tables[1].markdown() == TABLE.markdown()
    assert tables[1].plots[0].lines[0].name == "all < some"
