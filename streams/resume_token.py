"""Turns the next offset per verdict partition into an opaque resume token and back.

Layout: one version byte, then zlib of compact JSON {topic: [[partition, offset], ...]}.
"""

import json
import zlib
from collections.abc import Mapping

from streams.log import TokenInvalidError
from streams.records import TopicPartition

_VERSION = b"\x01"
_MAX_TOKEN_BYTES = 64 * 1024
_MAX_TEXT_BYTES = 1024 * 1024
"""A token comes from a client, so its inflated size is bounded."""


def encode(positions: Mapping[TopicPartition, int]) -> bytes:
    """The token that resumes at these next offsets."""
    topics: dict[str, list[tuple[int, int]]] = {}
    for (topic, partition), offset in sorted(positions.items()):
        topics.setdefault(topic, []).append((partition, offset))
    return _VERSION + zlib.compress(json.dumps(topics, separators=(",", ":")).encode())


def decode(token: bytes) -> dict[TopicPartition, int]:
    """The next offset per partition. Raises TokenInvalidError."""
    try:
        return _positions(json.loads(_inflate(token)))
    except (ValueError, RecursionError, zlib.error) as exc:
        raise TokenInvalidError(
            f"the resume token of {len(token)} bytes was not issued by a gateway of this log ({exc}): "
            "send the token of the last message received, or start with live or earliest"
        ) from exc


def _inflate(token: bytes) -> bytes:
    if not token.startswith(_VERSION) or len(token) > _MAX_TOKEN_BYTES:
        raise ValueError("wrong version or too long")
    inflate = zlib.decompressobj()
    text = inflate.decompress(token[1:], _MAX_TEXT_BYTES)
    if not inflate.eof or inflate.unused_data:
        raise ValueError("truncated, or followed by other bytes")
    return text


def _positions(topics: object) -> dict[TopicPartition, int]:
    if not isinstance(topics, dict):
        raise ValueError("no positions")  # noqa: TRY004 - a client's value is invalid, as in the other checks here
    positions: dict[TopicPartition, int] = {}
    for topic, pairs in topics.items():
        for partition, offset in _pairs(pairs):
            positions[TopicPartition(topic, partition)] = offset
    return positions


def _pairs(pairs: object) -> list[tuple[int, int]]:
    if not isinstance(pairs, list):
        raise ValueError("no offsets")  # noqa: TRY004
    offsets: list[tuple[int, int]] = []
    for pair in pairs:
        match pair:
            case [int() as partition, int() as offset] if 0 <= partition < 2**31 and 0 <= offset < 2**63:
                offsets.append((partition, offset))
            case _:
                raise ValueError("no offset")
    return offsets
