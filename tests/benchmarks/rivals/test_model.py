"""A peer's model decides as the service does, and in batches as alone."""

import numpy as np
import pytest

from inspector.api.verdict import Verdict
from inspector.replay.pieces import LinePiece
from tests.benchmarks.rivals.expected import BUNDLE, decisions_of, pool, requests_of, verdicts_of
from tests.benchmarks.rivals.model import MAX_BATCH, Judgement, Model
from tests.benchmarks.rivals.requests_body import answer_of, piece_of

NUM = 120


@pytest.fixture(scope="module")
def pieces() -> list[LinePiece]:
    return pool(NUM)


@pytest.fixture(scope="module")
def requests(pieces: list[LinePiece]) -> list[bytes]:
    return [request.SerializeToString() for request in requests_of(pieces)]


@pytest.fixture(scope="module")
def verdicts(pieces: list[LinePiece]) -> list[Verdict]:
    return verdicts_of(pieces)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(BUNDLE)


@pytest.fixture(scope="module")
def alone(requests: list[bytes], model: Model) -> list[Judgement]:
    return [model.judge([piece_of(body)])[0] for body in requests]


def test_a_peer_decides_as_the_service_does(alone: list[Judgement], verdicts: list[Verdict]) -> None:
    assert [judgement.decision for judgement in alone] == decisions_of(verdicts)
    assert {1, 2, 3} >= {judgement.decision for judgement in alone} > {1}
    scores = [verdict.message.defect_score for verdict in verdicts]
    np.testing.assert_allclose([judgement.score for judgement in alone], scores, atol=2e-5)


def test_a_peer_routes_as_the_service_does(alone: list[Judgement], verdicts: list[Verdict]) -> None:
    in_full = [judgement.in_full for judgement in alone]
    ran = [all(expert.ran for expert in verdict.message.experts) for verdict in verdicts]
    assert in_full == ran
    assert 0 < sum(in_full) < NUM


@pytest.mark.parametrize("size", [2, 8, MAX_BATCH])
def test_a_batch_decides_as_single_pieces_do(
    requests: list[bytes], alone: list[Judgement], model: Model, size: int
) -> None:
    pieces = [piece_of(body) for body in requests]
    batched = [each for start in range(0, NUM, size) for each in model.judge(pieces[start : start + size])]
    assert [each[::2] for each in batched] == [each[::2] for each in alone]
    np.testing.assert_allclose([each.score for each in batched], [each.score for each in alone], atol=2e-5)


def test_an_answer_has_decision_and_score(requests: list[bytes], model: Model) -> None:
    (judgement,) = model.judge([piece_of(requests[0])])
    assert answer_of(judgement) == {"decision": judgement.decision, "defect_score": judgement.score}


def test_a_broken_picture_is_an_error(requests: list[bytes], model: Model) -> None:
    piece = piece_of(requests[0])._replace(picture=b"no picture")
    with pytest.raises(ValueError, match="10 bytes are no picture"):
        model.judge([piece])
