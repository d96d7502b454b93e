"""Messages of watchers: what they hold, that each is made once, and how many are kept."""

import pytest

from inspector.gateway.responses import MESSAGE_OVERHEAD_BYTES, Responses, heartbeat_of, message_of
from inspector.verdicts.ring import Entry
from protos.inspection.v1.service_pb2 import WatchVerdictsResponse
from protos.inspection.v1.verdict_pb2 import Verdict
from streams import resume_token
from streams.observation import InspectionId
from streams.records import TopicPartition

P0 = TopicPartition("t.a.verdicts", 0)


def entry(offset: int, value: bytes = b"") -> Entry:
    return Entry(P0, offset, 0, InspectionId("a", "s", str(offset)), "p", 1, value)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_a_message_is_the_one_that_protobuf_makes(size: int) -> None:
    verdict = Verdict(product="p" * size)
    token = b"t" * (size % 20_000)
    expected = WatchVerdictsResponse(verdict=verdict, resume_token=token)
    assert WatchVerdictsResponse.FromString(message_of(verdict.SerializeToString(), token)) == expected
    assert WatchVerdictsResponse.FromString(heartbeat_of(token)) == WatchVerdictsResponse(resume_token=token)


def test_a_message_is_made_once_with_the_position_of_its_first_reader() -> None:
    responses = Responses(10**6)
    first = responses.message(7, entry(3), {P0: 4}, {"t.a.verdicts": "id"})
    assert responses.message(7, entry(3), {P0: 99}, {}) is first
    assert responses.num_encoded == 1
    point = resume_token.read(WatchVerdictsResponse.FromString(first).resume_token)
    assert (point.positions, point.identities) == ({P0: 4}, {"t.a.verdicts": "id"})


def test_messages_are_kept_within_their_bytes_and_made_again() -> None:
    size = len(Responses(10**6).message(0, entry(0, b"v" * 1000), {P0: 1}, {})) + MESSAGE_OVERHEAD_BYTES
    responses = Responses(3 * size)
    for number in range(10):
        responses.message(number, entry(number, b"v" * 1000), {P0: 1}, {})
        assert responses.num_bytes == min(number + 1, 3) * size
    responses.message(9, entry(9, b"v" * 1000), {P0: 10}, {})
    assert responses.num_encoded == 10
    responses.message(0, entry(0, b"v" * 1000), {P0: 1}, {})
    assert responses.num_encoded == 11


def test_a_message_larger_than_the_bound_is_not_kept() -> None:
    responses = Responses(100)
    assert len(responses.message(0, entry(0, b"v" * 1000), {P0: 1}, {})) > 1000
    assert responses.num_bytes == 0
