"""What to do next: how many recordings are lacking, and where mistakes gather."""

from dataclasses import replace

from inspector.bundle.schema import LimitEvidence
from inspector.evaluation.class_figures import class_report
from inspector.report.content import ReportedPiece
from inspector.report.next_steps import MAX_STEPS, limit_steps, next_steps
from inspector.report.tables import by_group
from inspector.statistics.proportion import exact_interval
from tests.inspector.report.parts import content, line, reported


def steps(*pieces: ReportedPiece) -> str:
    return "\n".join(next_steps(content(pieces)))


def found(num: int, name: str) -> list[ReportedPiece]:
    return [reported(f"{name}-{index}", 0.99, name) for index in range(num)]


def test_a_class_with_few_recordings_asks_for_as_many_as_are_lacking() -> None:
    text = steps(reported("good", 0.01), *found(24, "Crack"))
    assert "12 more recordings of Crack: with 24 independent ones, of which 0 escaped" in text
    assert exact_interval(0, 24 + 12)[1] <= 0.1 < exact_interval(0, 24 + 11)[1]


def test_enough_recordings_ask_for_nothing() -> None:
    assert "Crack" not in steps(reported("good", 0.01), *found(36, "Crack"))


def test_pieces_that_share_a_recording_count_once() -> None:
    shared = [replace(piece, units=frozenset({"one part"})) for piece in found(36, "Crack")]
    assert "35 more recordings of Crack: with 1 independent ones" in steps(reported("good", 0.01), *shared)


def test_a_class_that_the_split_lacks_is_named() -> None:
    made = content([reported("good", 0.01), reported("bad", 0.99, "Crack")])
    report = class_report([], ("Dent",))
    text = "\n".join(next_steps(replace(made, classes=report)))
    assert "36 more recordings of Dent: with none at all, the escape rate may be as high as 100%." in text


def test_defects_without_a_class_are_named() -> None:
    assert "Name the defects of 2 defective pieces" in steps(
        *(reported(f"bad {n}", 0.99, label="nok") for n in range(2)), reported("good", 0.01)
    )


def test_a_class_that_escapes_is_not_answered_by_a_number() -> None:
    text = steps(*line())
    assert "2 of 6 pieces with crack passed. Look at them under Escapes" in text
    assert "more recordings of crack" not in text


def test_a_lot_with_most_mistakes_is_named() -> None:
    assert "4 of 4 wrong decisions are in lot 17, which has 9 of 19 pieces" in steps(*line())
    (table,) = by_group(line())
    assert [(row.name, row.false_rejects, row.escapes) for row in table.rows] == [("17", 2, 2), ("4", 0, 0)]


def test_missing_recordings_are_counted() -> None:
    assert "1 of 19 pieces went to REVIEW because a recording is missing" in steps(*line())


def test_much_review_is_named() -> None:
    text = steps(reported("good", 0.01), *(reported(f"between {n}", 0.5, label="ok") for n in range(9)))
    assert "9 of 10 pieces have scores between the limits, and a person looks at them." in text
    assert "between the limits" not in steps(*line())


def test_limits_say_how_many_pieces_would_count() -> None:
    (step,) = limit_steps(content().calibration)
    assert step.startswith("109 more good pieces that share no recording, for training: 40 are too few")
    evidence = content().calibration.fail_evidence
    assert isinstance(evidence, LimitEvidence)
    counted = content().calibration.model_copy(
        update={"fail_evidence": evidence.model_copy(update={"method": "count"})}
    )
    assert list(limit_steps(counted)) == []


def test_advice_is_bounded_in_number_and_length() -> None:
    made = replace(content(), advice=[f"{n} {'x' * 5000}" for n in range(100)])
    listed = next_steps(made)
    assert len(listed) == MAX_STEPS
    assert max(map(len, listed)) <= 600
