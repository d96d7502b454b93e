"""The resume token of a watcher."""

import json
import zlib

import pytest

from streams import resume_token
from streams.log import TokenInvalidError
from streams.records import TopicPartition

POSITIONS = {
    TopicPartition("qa.l1.verdicts", 0): 17,
    TopicPartition("qa.l1.verdicts", 1): 2**62,
    TopicPartition("qa.l2.verdicts", 0): 0,
}


def packed(value: object) -> bytes:
    return b"\x01" + zlib.compress(json.dumps(value).encode())


@pytest.mark.parametrize("positions", [{}, POSITIONS])
def test_what_is_encoded_is_decoded(positions: dict[TopicPartition, int]) -> None:
    assert resume_token.decode(resume_token.encode(positions)) == positions


def test_identities_of_topics_travel_with_the_positions() -> None:
    identities = {source.topic: "one" for source in list(POSITIONS)[:1]}
    assert resume_token.read(resume_token.encode(POSITIONS, identities)) == (POSITIONS, identities)


def test_a_token_without_identities_has_the_form_that_it_always_had() -> None:
    """Clients keep tokens for as long as they like."""
    assert resume_token.encode(POSITIONS, {}).startswith(b"\x01")
    assert resume_token.read(resume_token.encode(POSITIONS)) == (POSITIONS, {})


@pytest.mark.parametrize(
    "content", [[], {"t": [[0, 1]]}, {"t": ["x" * 65, []]}, {"t": [1, []]}, {"t": ["x", [[0, -1]]]}]
)
def test_a_damaged_token_with_identities_is_invalid(content: object) -> None:
    with pytest.raises(TokenInvalidError):
        resume_token.read(b"\x02" + zlib.compress(json.dumps(content).encode()))


def test_the_order_of_the_partitions_does_not_change_the_token() -> None:
    assert resume_token.encode(dict(reversed(POSITIONS.items()))) == resume_token.encode(POSITIONS)


def test_a_token_of_1000_partitions_stays_small() -> None:
    positions = {TopicPartition(f"qa.l{i // 10}.verdicts", i % 10): 10**9 + i * 7919 for i in range(1000)}
    assert len(resume_token.encode(positions)) < 8192


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x03" + resume_token.encode(POSITIONS)[1:],
        resume_token.encode(POSITIONS)[:-3],
        resume_token.encode(POSITIONS) + b"x",
        b"\x01garbage",
        packed([]),
        packed({"t": 1}),
        packed({"t": [[0]]}),
        packed({"t": [[0, -1]]}),
        packed({"t": [["0", 1]]}),
        packed({"t": [[2**31, 1]]}),
        b"\x01" + zlib.compress(b"[" * 100_000),
        b"\x01" + zlib.compress(b" " * 20_000_000),
        b"\x01" + bytes(100_000),
    ],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(TokenInvalidError, match="live or earliest"):
        resume_token.decode(garbage)
