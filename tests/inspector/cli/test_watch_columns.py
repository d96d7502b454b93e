"""The row that `inspector watch` shows."""

from inspector.cli.watch import COLUMNS, columns
from protos.inspection.v1 import verdict_pb2 as pb


def test_a_row_names_the_defects_after_the_decision() -> None:
    row = columns(pb.Verdict(decision=pb.DECISION_FAIL, defect_score=0.9, defects=["crack", "stain\x1b"]))
    assert row[COLUMNS.index("decision")] == "FAIL"
    assert row[COLUMNS.index("defect")].startswith("crack, stain")
    assert "\x1b" not in "".join(row)
    assert len(row) == len(COLUMNS)


def test_a_good_piece_has_no_defect() -> None:
    shown = pb.Verdict(decision=pb.DECISION_PASS, classes=[pb.ClassProbability(name="crack", probability=0.05)])
    assert columns(shown)[COLUMNS.index("defect")] == "-"
