"""A run of deployments fails where a step fails or a deployment judges nothing."""

import pytest

from protos.inspection.v1.verdict_pb2 import Verdict
from tests.integration.deploy_run import Course, Receipt, Step, failures, is_passed, table, tally


def step(name: str, code: int) -> Step:
    return Step(name, code, "output", 0, 1)


@pytest.mark.parametrize(
    ("codes", "judged", "messages"),
    [
        ((0, 0, 1), {0, 1, 2}, []),
        ((0, 0, 1), {0, 1}, ["deployment 2 (back) judged no piece"]),
        ((1, 0, 1), {1, 2}, ["step 1 (v1) ended with 1: output"]),
        ((0, 0, 0), {1, 2}, ["step 3 (spoiled) ended with 0: output"]),
        ((0, 0, 1), {1, 2, 3}, ["deployment 3 (spoiled) judged a piece"]),
    ],
)
def test_every_step_must_have_its_expected_result(
    codes: tuple[int, ...], judged: set[int], messages: list[str]
) -> None:
    steps = [step(name, code) for name, code in zip(("v1", "back", "spoiled"), codes, strict=True)]
    assert failures(steps, judged) == messages


def course(*pieces: str) -> Course:
    """Of two pieces."""
    receipts = [Receipt(Verdict(capture_ns=0), 0) for _ in pieces]
    for receipt, piece in zip(receipts, pieces, strict=True):
        receipt.verdict.inspection.piece_id = piece
    return Course(2, receipts, [])


WHOLE, DOUBLED, LOST = course("a", "b"), course("a", "b", "b"), course("a")


def report(calm: Course, deploys: Course, deploys_p99_ms: float = 190.0) -> dict[str, object]:
    latency = {"calm": {"p99": 100.0}, "deploys": {"p99": deploys_p99_ms}}
    rest = {"log": "embedded", "misnamed": [], "failures": [], "by_deployment": {}, "steps": []}
    return {**tally(deploys), "calm": tally(calm), "latency_ms": latency, **rest}


@pytest.mark.parametrize(
    ("calm", "deploys", "p99_ms", "passed"),
    [
        (WHOLE, WHOLE, 190.0, True),
        (WHOLE, WHOLE, 201.0, False),
        (WHOLE, DOUBLED, 190.0, False),
        (WHOLE, LOST, 190.0, False),
        (DOUBLED, WHOLE, 190.0, False),
        (LOST, WHOLE, 190.0, False),
    ],
)
def test_both_runs_must_give_every_piece_one_verdict(
    calm: Course, deploys: Course, p99_ms: float, passed: bool
) -> None:
    assert is_passed(report(calm, deploys, p99_ms)) is passed


def test_the_table_shows_both_runs() -> None:
    lines = table(report(LOST, WHOLE)).splitlines()
    assert "calm: pieces 2, verdicts 1, doubled 0, missing 1, p99 100.0 ms" in lines
    assert "deploys: pieces 2, verdicts 2, doubled 0, missing 0, p99 190.0 ms" in lines
