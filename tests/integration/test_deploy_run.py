"""A run of deployments fails where a step or a deployment came to nothing."""

import pytest

from tests.integration.deploy_run import Step, failures


def step(name: str, code: int) -> Step:
    return Step(name, code, "words", 0, 1)


@pytest.mark.parametrize(
    ("codes", "judged", "found"),
    [
        ((0, 0, 1), {0, 1, 2}, []),
        ((0, 0, 1), {0, 1}, ["deployment 2 (back) judged no piece"]),
        ((1, 0, 1), {1, 2}, ["step 1 (v1) ended with 1: words"]),
        ((0, 0, 0), {1, 2}, ["step 3 (spoiled) ended with 0: words"]),
        ((0, 0, 1), {1, 2, 3}, ["deployment 3 (spoiled) judged a piece"]),
    ],
)
def test_every_step_must_come_to_what_it_says(codes: tuple[int, ...], judged: set[int], found: list[str]) -> None:
    taken = [step(name, code) for name, code in zip(("v1", "back", "spoiled"), codes, strict=True)]
    assert failures(taken, judged) == found
