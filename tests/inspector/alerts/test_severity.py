"""Alerts may count only pieces whose defects have a severity."""

import pytest

from inspector.alerts.conditions import is_counted
from inspector.alerts.seen import seen_of
from inspector.recipe.alerts import CountAlert
from protos.inspection.v1 import verdict_pb2 as pb
from tests.inspector.web.parts import entry


@pytest.mark.parametrize(("severity", "expected"), [("critical", True), ("minor", False), ("", False)])
def test_a_critical_alert_counts_critical_pieces_alone(severity: str, expected: bool) -> None:
    verdict = pb.Verdict(decision=pb.DECISION_FAIL, defects=["crack"], severity=severity)
    alert = CountAlert(kind="count", name="cracks", num_bad=1, num_pieces=2, severity="critical")
    seen = seen_of(entry(verdict))
    assert seen.defect_class == "crack"
    assert is_counted(alert)(seen) is expected
    assert is_counted(alert.model_copy(update={"severity": None}))(seen)
