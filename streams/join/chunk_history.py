"""Finds chunks of one sensor that repeat the samples of an earlier one. Keeps digests, no samples.

A successor rereads the chunks that an open window may need; digests of older (settled) chunks travel with the offsets.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from streams.decode.items import Chunk
from streams.join.content import DIGEST_BYTES, digest, is_distinctive

KEPT_RECORDS = 64
"""Number of earlier chunks compared with a new one; a frozen ring buffer sends all its parts in turn."""
_MS = 1_000_000
Kept = TypeVar("Kept")
_CYCLE_MS = 2**32
"""Times are stored in four bytes: they wrap around after 49 days of milliseconds."""


class ChunkHistory:
    """The last chunks of one sensor, in order of arrival."""

    def __init__(self, settled: Sequence[bytes]) -> None:
        """`settled`: digests from a predecessor."""
        self._starts_ms: OrderedDict[bytes, int] = OrderedDict()
        """Start of the last chunks by digest, modulo the cycle."""
        self._settled: OrderedDict[bytes, bytes] = OrderedDict()
        for content in settled:
            self._note(content)
        self.settle(settled)

    @property
    def settled(self) -> list[bytes]:
        """For a successor, oldest first: digests and times of the chunks that no window needs any more."""
        return list(self._settled.values())

    def note(self, chunk: Chunk) -> tuple[bytes | None, int | None]:
        """Returns the digest of a chunk, and the start in nanoseconds (rounded to milliseconds) of the last earlier
        chunk with the same samples. None for samples that may repeat by chance."""
        if not is_distinctive(chunk.samples):
            return None, None
        now_ms = chunk.start_ns // _MS
        content = digest(chunk.samples) + (now_ms % _CYCLE_MS).to_bytes(4, "big")
        earlier_ms = self._starts_ms.get(content[:DIGEST_BYTES])
        self._note(content)
        return content, None if earlier_ms is None else _nearest_ms(now_ms, earlier_ms) * _MS

    def settle(self, contents: Iterable[bytes]) -> None:
        """No window needs the chunks with these digests any more."""
        for content in contents:
            _keep(self._settled, content[:DIGEST_BYTES], content)

    def _note(self, content: bytes) -> None:
        _keep(self._starts_ms, content[:DIGEST_BYTES], int.from_bytes(content[DIGEST_BYTES:], "big"))


def _keep(kept: OrderedDict[bytes, Kept], recording: bytes, value: Kept) -> None:
    """Adds the digest as the newest and drops the oldest beyond the bound."""
    kept[recording] = value
    kept.move_to_end(recording)
    if len(kept) > KEPT_RECORDS:
        kept.popitem(last=False)


def _nearest_ms(now_ms: int, in_cycle_ms: int) -> int:
    """The time nearest to now with this value modulo the cycle."""
    half = _CYCLE_MS // 2
    return now_ms - ((now_ms - in_cycle_ms + half) % _CYCLE_MS - half)
