"""A product without a recipe is named in the log once, however many pieces it has."""

import pytest

from inspector.worker.unknown_products import UnknownProductLog
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import DecisionReason, Verdict
from streams.reminder import INTERVAL_S

NO_RECIPE, GOOD = DecisionReason.DECISION_REASON_NO_RECIPE, DecisionReason.DECISION_REASON_GOOD


def verdict(piece: str, reason: DecisionReason, product: str = "disc ") -> Verdict:
    return Verdict(inspection=Inspection(line="l", station="s", piece_id=piece), product=product, reason=reason)


def test_a_product_without_a_recipe_is_said_once_and_counted_later(caplog: pytest.LogCaptureFixture) -> None:
    written = UnknownProductLog()
    written.write([verdict("a", NO_RECIPE), verdict("b", GOOD, "disc")], 0.0)
    written.write([verdict("c", NO_RECIPE), verdict("d", NO_RECIPE)], 1.0)
    assert len(caplog.records) == 1
    assert "no recipe holds for product 'disc ': 1 piece(s) went to REVIEW, a last" in caplog.text
    written.write([], INTERVAL_S)
    assert "2 piece(s) went to REVIEW, d last" in caplog.text


def test_products_that_have_recipes_are_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    UnknownProductLog().write([verdict("b", GOOD)], 0.0)
    assert not caplog.records
