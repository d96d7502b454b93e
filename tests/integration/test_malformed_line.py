"""An unusable record becomes one dead letter through the log and a refusal through `Inspect`; the line continues."""

import pytest

from protos.inspection.v1.verdict_pb2 import Decision
from streams.decode.dead_letters import MAX_RAW_BYTES
from tests.integration.malformed_report import INLINE, Outcome, decision_text, examine, reason_of
from tests.integration.service_line import ServiceLine
from tests.malformed import WITHOUT_FAULT_INLINE

MAX_GROWTH_BYTES = 200_000_000
CONTENTS = {"png", "jpeg", "raw", "bomb", "samples"}
"""Faults in the content of a record, not in its envelope."""


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)], scope="module")
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run for all tests of a log."""
    bootstrap = request.getfixturevalue("bootstrap") if request.param == "kafka" else ""
    return examine(ServiceLine.make(tmp_path_factory.mktemp("malformed"), bootstrap))


def test_there_are_enough_of_them(outcome: Outcome) -> None:
    kinds = {row.record.name.partition(":")[0] for row in outcome.rows}
    assert len(outcome.rows) >= 40
    assert len(kinds) >= 10
    assert {"bomb: a png that inflates to 144 MB", "bomb: a raw header of 2 GiB"} <= {
        r.record.name for r in outcome.rows
    }


def test_each_is_one_dead_letter_with_its_reason(outcome: Outcome) -> None:
    reasons = {row.record.name: [reason_of(letter.reason) for letter in row.letters] for row in outcome.rows}
    assert reasons == {row.record.name: [reason_of(row.record.reason)] for row in outcome.rows}
    assert outcome.unexpected_letters == 0


def test_inspections_that_enter_get_one_verdict_that_is_not_pass(outcome: Outcome) -> None:
    for row in outcome.rows:
        assert len(row.verdicts) == row.record.enters, row.cells
        assert not any(verdict.startswith("PASS") for verdict in row.verdicts), row.cells


def test_a_dead_letter_carries_the_first_bytes_and_says_how_many_there_were(outcome: Outcome) -> None:
    for row in outcome.rows:
        (letter,) = row.letters
        assert letter.raw == row.record.value[:MAX_RAW_BYTES]
        assert letter.raw_size_bytes == len(row.record.value)


def test_inspect_refuses_each(outcome: Outcome) -> None:
    answers = {row.record.name: row.inline for row in outcome.rows if row.record.type in INLINE}
    refused = {name for name, answer in answers.items() if answer.startswith("INVALID_ARGUMENT")}
    assert answers.keys() - refused == WITHOUT_FAULT_INLINE
    assert not any(answers[name].startswith("PASS") for name in WITHOUT_FAULT_INLINE)


def test_pictures_and_samples_are_refused_for_the_reason_that_the_line_gives(outcome: Outcome) -> None:
    rows = [row for row in outcome.rows if row.record.name.partition(":")[0] in CONTENTS]
    expected = {row.record.name: f"INVALID_ARGUMENT / {reason_of(row.record.reason)}" for row in rows}
    assert {row.record.name: row.inline for row in rows} == expected


def test_the_next_good_piece_passes(outcome: Outcome) -> None:
    assert outcome.good.decision == Decision.DECISION_PASS, decision_text(outcome.good)
    assert outcome.good_inline.decision == Decision.DECISION_PASS


def test_memory_stays_bounded(outcome: Outcome) -> None:
    assert outcome.memory.samples > 20
    assert outcome.memory.growth < MAX_GROWTH_BYTES
