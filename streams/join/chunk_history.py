"""Finds records of one sensor that repeat the samples of an earlier one. Keeps digests, no samples.

A successor reads again what an open window may need. What lies before is settled, and travels with the offsets.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from streams.decode.items import Chunk
from streams.join.content import DIGEST_BYTES, digest, is_distinctive

KEPT_RECORDS = 64
"""Records that a new one is compared with: a ring buffer that stands still sends all its parts in turn."""
_MS = 1_000_000
_CYCLE_MS = 2**32
"""Of the time four bytes go along: 49 days of milliseconds."""


class ChunkHistory:
    """The last records of one sensor, in the order in which they came."""

    def __init__(self, settled: Sequence[bytes]) -> None:
        """`settled`: what a predecessor left."""
        self._starts_ms: OrderedDict[bytes, int] = OrderedDict()
        """Start of the last records by their digest, within the cycle."""
        self._settled: OrderedDict[bytes, int] = OrderedDict()
        for content in settled:
            _keep(self._starts_ms, content)
        self.settle(settled)

    @property
    def settled(self) -> list[bytes]:
        """What a successor must know, the oldest first: the records that no window needs any more."""
        return [content + start_ms.to_bytes(4, "big") for content, start_ms in self._settled.items()]

    def note(self, chunk: Chunk) -> tuple[bytes | None, int | None]:
        """What stands for a record, and the start in nanoseconds of the last one before with the same samples, to the
        millisecond. None for samples that come again by chance."""
        if not is_distinctive(chunk.samples):
            return None, None
        now_ms = chunk.start_ns // _MS
        content = digest(chunk.samples) + (now_ms % _CYCLE_MS).to_bytes(4, "big")
        earlier_ms = self._starts_ms.get(content[:DIGEST_BYTES])
        _keep(self._starts_ms, content)
        return content, None if earlier_ms is None else _nearest_ms(now_ms, earlier_ms) * _MS

    def settle(self, contents: Iterable[bytes]) -> None:
        """No window needs the records with these contents any more."""
        for content in contents:
            _keep(self._settled, content)


def _keep(starts_ms: OrderedDict[bytes, int], content: bytes) -> None:
    """As the newest of a bounded number."""
    recording = content[:DIGEST_BYTES]
    starts_ms.pop(recording, None)
    starts_ms[recording] = int.from_bytes(content[DIGEST_BYTES:], "big")
    if len(starts_ms) > KEPT_RECORDS:
        starts_ms.popitem(last=False)


def _nearest_ms(now_ms: int, in_cycle_ms: int) -> int:
    """The time nearest to now that is this within the cycle."""
    half = _CYCLE_MS // 2
    return now_ms - ((now_ms - in_cycle_ms + half) % _CYCLE_MS - half)
