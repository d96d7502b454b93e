"""Figures by defect class: counted by hand."""

import json
from dataclasses import asdict

import pytest

from inspector.evaluation.class_figures import ClassReport, JudgedPiece, class_report
from inspector.evaluation.class_tables import MAX_COLUMNS, class_tables


def piece(name: str, classes: str, decision: str, defects: str = "", group: str = "") -> JudgedPiece:
    label = "nok" if classes else "ok"
    true = () if classes == "?" else tuple(classes.split())
    units = frozenset({group or name})
    return JudgedPiece(name, label, true, units, decision, tuple(defects.split(",")) if defects else ())


@pytest.fixture
def report() -> ClassReport:
    pieces = [
        piece("a", "crack", "FAIL", "crack"),
        piece("b", "crack", "REVIEW", "stain"),
        piece("c", "crack", "PASS", group="lot"),
        piece("d", "crack", "PASS", group="lot"),
        piece("e", "crack stain", "FAIL", "stain"),
        piece("f", "?", "FAIL", "unknown defect"),
        piece("g", "", "PASS"),
        piece("h", "", "FAIL", "stain"),
    ]
    return class_report(pieces, ["crack", "dent", "stain"])


def test_recall_naming_and_escapes_are_counted_by_class(report: ClassReport) -> None:
    crack, dent, stain = report.classes
    assert (crack.name, crack.pieces, crack.groups) == ("crack", 5, 4)
    assert (crack.recall, crack.failed, crack.review, crack.named) == (0.6, 0.4, 0.2, 0.2)
    assert (crack.named_rightly, crack.escapes, crack.escaped) == (1.0, 2, ("c", "d"))
    assert (stain.pieces, stain.recall, stain.named) == (1, 1.0, 1.0)
    assert stain.named_rightly == pytest.approx(1 / 3)
    assert (dent.pieces, dent.recall, dent.named_rightly) == (0, None, None)


def test_escapes_of_one_lot_are_one_escape_among_independent_parts(report: ClassReport) -> None:
    """One of four: Clopper and Pearson give .6 to 81 %."""
    crack = report.classes[0]
    assert crack.escape_low == pytest.approx(0.0063, abs=1e-4)
    assert crack.escape_high == pytest.approx(0.8059, abs=1e-4)


def test_the_confusion_matrix_has_every_truth_against_every_name(report: ClassReport) -> None:
    confusion = report.confusion
    assert confusion.true == ("crack", "dent", "stain", "defective, no class given", "good")
    assert confusion.named == ("crack", "dent", "stain", "unknown defect", "none")
    assert confusion.counts == ((1, 0, 2, 0, 2), (0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 1, 0, 1))


def test_the_tables_show_what_the_json_has(report: ClassReport) -> None:
    text = "\n".join(class_tables(report))
    assert "| crack | 5 | 4 | 60 % | 40 % | 20 % | 20 % | 100 % | 2 | 1 to 81 % |" in text
    assert "| good | . | . | 1 | . | 1 |" in text
    content = json.loads(json.dumps(asdict(report)))
    assert content["classes"][0]["escaped"] == ["c", "d"]
    assert content["confusion"]["counts"][0] == [1, 0, 2, 0, 2]


def test_names_cannot_break_a_table_and_a_wide_matrix_is_left_to_the_json() -> None:
    text = "\n".join(class_tables(class_report([piece("a", "", "PASS")], ["a|b\nc"])))
    assert "a\\|b c" in text
    wide = class_tables(class_report([], [f"class{number}" for number in range(MAX_COLUMNS)]))
    assert wide[-1].startswith("The confusion matrix has 18 columns")


def test_without_classes_there_is_no_table() -> None:
    assert class_tables(class_report([piece("a", "", "PASS")], [])) == []
