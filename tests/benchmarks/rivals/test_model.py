"""A peer's model decides as the service does, and in batches as alone."""

import numpy as np
import pytest

from tests.benchmarks.rivals.expected import BUNDLE, decisions_of, pool, requests_of, verdicts_of
from tests.benchmarks.rivals.model import MAX_BATCH, Model
from tests.benchmarks.rivals.requests_body import answer_of, piece_of

NUM = 120


@pytest.fixture(scope="module")
def requests() -> list[bytes]:
    return [request.SerializeToString() for request in requests_of(pool(NUM))]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(BUNDLE)


def test_a_peer_decides_as_the_service_does(requests: list[bytes], model: Model) -> None:
    verdicts = verdicts_of(pool(NUM))
    judgements = [model.judge([piece_of(body)])[0] for body in requests]
    assert [judgement.decision for judgement in judgements] == decisions_of(verdicts)
    assert {1, 2, 3} >= {judgement.decision for judgement in judgements} > {1}
    scores = [verdict.message.defect_score for verdict in verdicts]
    np.testing.assert_allclose([judgement.score for judgement in judgements], scores, atol=2e-5)


def test_a_peer_routes_as_the_service_does(requests: list[bytes], model: Model) -> None:
    in_full = [model.judge([piece_of(body)])[0].in_full for body in requests]
    ran = [all(expert.ran for expert in verdict.message.experts) for verdict in verdicts_of(pool(NUM))]
    assert in_full == ran
    assert 0 < sum(in_full) < NUM


@pytest.mark.parametrize("size", [2, 8, MAX_BATCH])
def test_a_batch_decides_as_single_pieces_do(requests: list[bytes], model: Model, size: int) -> None:
    pieces = [piece_of(body) for body in requests]
    alone = [model.judge([piece])[0] for piece in pieces]
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
