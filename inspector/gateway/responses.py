"""Encodes the messages of watchers; each verdict once for all who follow the ring."""

from collections.abc import Mapping

from inspector.verdicts.ring import Entry
from streams import resume_token
from streams.records import TopicPartition

MESSAGE_OVERHEAD_BYTES = 150
"""Estimate of a kept message's memory in addition to its bytes: the object, its key and its place in a dictionary."""
_VERDICT, _TOKEN = b"\x0a", b"\x12"
"""Tags of `WatchVerdictsResponse`: fields 1 and 2, both with a length."""


def message_of(value: bytes, token: bytes) -> bytes:
    """A serialised `WatchVerdictsResponse` with a serialised verdict, which is copied as it is."""
    return b"".join((_VERDICT, _varint(len(value)), value, _TOKEN, _varint(len(token)), token))


def heartbeat_of(token: bytes) -> bytes:
    """The message without a verdict."""
    return _TOKEN + _varint(len(token)) + token


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class Responses:
    """Messages of ring entries, made when the first watcher needs them and kept within a bound of bytes.

    Used in the event loop only. A message that was dropped is made again.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._messages: dict[int, bytes] = {}
        """By number in the ring, which is never used twice, in the order of encoding."""
        self.num_bytes = 0
        self.num_encoded = 0

    def message(
        self, number: int, entry: Entry, vector: Mapping[TopicPartition, int], identities: Mapping[str, str]
    ) -> bytes:
        """`vector` is the position of a reader of the ring behind this entry: any reader's, all resume alike."""
        kept = self._messages.get(number)
        if kept is None:
            kept = message_of(entry.value, resume_token.encode(vector, identities))
            self.num_encoded += 1
            self._keep(number, kept)
        return kept

    def _keep(self, number: int, message: bytes) -> None:
        self._messages[number] = message
        self.num_bytes += len(message) + MESSAGE_OVERHEAD_BYTES
        while self.num_bytes > self._max_bytes:
            dropped = self._messages.pop(next(iter(self._messages)))
            self.num_bytes -= len(dropped) + MESSAGE_OVERHEAD_BYTES
