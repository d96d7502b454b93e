"""Turns the next offset per verdict partition into an opaque resume token and back.

Layout: one version byte, then zlib of compact JSON. Version 1: {topic: [[partition, offset], ...]}. Version 2 adds the
identity of each topic, which tells it from a later one of its name: {topic: [identity, [[partition, offset], ...]]}.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from streams.log import TokenInvalidError
from streams.records import TopicPartition

_PLAIN, _WITH_IDENTITIES = b"\x01", b"\x02"
_MAX_TOKEN_BYTES = 64 * 1024
_MAX_IDENTITY = 64
_MAX_TEXT_BYTES = 1024 * 1024
"""A token comes from a client, so its inflated size is bounded."""
_STORED_BYTES = 256
"""A shorter text goes into the zlib stream as it is: compressing it costs 9 us and saves 20 bytes."""


class ResumePoint(NamedTuple):
    """The content of a token."""

    positions: Mapping[TopicPartition, int]
    identities: Mapping[str, str]
    """Of the topics, as far as the token has them."""


def encode(positions: Mapping[TopicPartition, int], identities: Mapping[str, str] | None = None) -> bytes:
    """The token that resumes at these next offsets, of topics with these identities."""
    topics: dict[str, list[str]] = {}
    for (topic, partition), offset in sorted(positions.items()):
        topics.setdefault(topic, []).append(f"[{partition},{offset}]")
    pairs = {topic: f"[{','.join(texts)}]" for topic, texts in topics.items()}
    if not identities:
        return _PLAIN + _deflate(f"{quoted(topic)}:{pairs[topic]}" for topic in pairs)
    return _WITH_IDENTITIES + _deflate(
        f"{quoted(topic)}:[{quoted(identities.get(topic, ''))},{pairs[topic]}]" for topic in pairs
    )


def decode(token: bytes) -> Mapping[TopicPartition, int]:
    """The next offset per partition. Raises TokenInvalidError."""
    return read(token).positions


def read(token: bytes) -> ResumePoint:
    """Raises TokenInvalidError."""
    try:
        content = json.loads(_inflate(token))
        if token.startswith(_PLAIN):
            return ResumePoint(_positions(content), {})
        identities, topics = _split(content)
        return ResumePoint(_positions(topics), identities)
    except (ValueError, RecursionError, zlib.error) as exc:
        raise TokenInvalidError(
            f"the resume token of {len(token)} bytes was not issued by a gateway of this log ({exc}): "
            "send the token of the last message received, or start with live or earliest"
        ) from exc


def _deflate(members: Iterable[str]) -> bytes:
    """The zlib stream of a JSON object with these members."""
    text = f"{{{','.join(members)}}}".encode()
    size = len(text)
    if size > _STORED_BYTES:
        return zlib.compress(text, 1)
    head = b"\x78\x01\x01" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
    return head + text + zlib.adler32(text).to_bytes(4, "big")


def _inflate(token: bytes) -> bytes:
    if not token.startswith((_PLAIN, _WITH_IDENTITIES)) or len(token) > _MAX_TOKEN_BYTES:
        raise ValueError("wrong version or too long")
    inflate = zlib.decompressobj()
    text = inflate.decompress(token[1:], _MAX_TEXT_BYTES)
    if not inflate.eof or inflate.unused_data:
        raise ValueError("truncated, or followed by other bytes")
    return text


def _split(content: object) -> tuple[dict[str, str], dict[str, object]]:
    """Identities and pairs of a version 2 token, by topic."""
    if not isinstance(content, dict):
        raise ValueError("no positions")  # noqa: TRY004
    identities, topics = dict[str, str](), dict[str, object]()
    for topic, value in content.items():
        match value:
            case [str() as identity, list() as pairs] if len(identity) <= _MAX_IDENTITY:
                identities |= {topic: identity} if identity else {}
                topics[topic] = pairs
            case _:
                raise ValueError("no identity")
    return identities, topics


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
