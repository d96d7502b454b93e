"""Enum values become their names without the prefix of their enum."""

import pytest

from inspector.verdicts.words import enum_word
from protos.inspection.v1 import records_pb2, verdict_pb2
from protos.inspection.v1.records_pb2 import DeadLetterReason
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason


@pytest.mark.parametrize("module", [records_pb2, verdict_pb2])
def test_every_value_loses_its_prefix(module: object) -> None:
    for name, enum in vars(module)["DESCRIPTOR"].enum_types_by_name.items():
        words = {enum_word(getattr(module, name), value.number) for value in enum.values}
        assert len(words) == len(enum.values)
        assert "UNSPECIFIED" in words
        assert all(value.name.endswith(f"_{enum_word(getattr(module, name), value.number)}") for value in enum.values)


def test_words_of_two_parts_keep_both() -> None:
    assert enum_word(DecisionReason, DecisionReason.DECISION_REASON_NO_IMAGE) == "NO_IMAGE"
    assert enum_word(Decision, Decision.DECISION_PASS) == "PASS"
    assert enum_word(DeadLetterReason, DeadLetterReason.DEAD_LETTER_REASON_UNSPECIFIED) == "UNSPECIFIED"


def test_a_value_of_a_newer_version_is_its_number() -> None:
    assert enum_word(Decision, 4711) == "4711"
