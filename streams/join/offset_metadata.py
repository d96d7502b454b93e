"""The metadata (memo) committed with offsets, so that a successor rereads input without judging anything twice.

One JSON object per input partition, below Kafka's limit of 4,096 bytes for offset metadata.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from streams.decode.limits import LAST_NS, is_name
from streams.join.frozen import CONTENT_BYTES, OF_CHUNKS, Contents
from streams.log import LogError

MAX_MEMO_BYTES = 4096
_FIELDS_BYTES = 360
"""Numbers of nineteen digits under all the names below take 156; the rest is reserved for fields of later versions."""
_CONTENTS_BYTES = MAX_MEMO_BYTES - _FIELDS_BYTES
MAX_STARTS, MAX_JUDGING = 99, 4
_KEPT = (256, 64, 16, 4, 2, 1)
"""Number of digests per source, the most that fit: 256 cover four pieces with 64 images each."""
_FEW_CHUNKS = 4
"""Recordings of pieces take precedence: a quarter as many chunks are stored, but at least this many."""
_CLOCK_BYTES = 17
"""Thirteen digits of milliseconds, quotes, colon and comma."""


def has_room_for(stations: Iterable[str]) -> bool:
    """Whether the clocks of these stations fit into one memo."""
    return sum(len(name) + _CLOCK_BYTES for name in stations) <= MAX_MEMO_BYTES - _FIELDS_BYTES


class MemoError(LogError):
    """A memo that is too large to commit or that no worker of this version has written."""


@dataclass(frozen=True, slots=True)
class OffsetMetadata:
    """The state that the owner of a shard commits with the offset of one input partition."""

    read: int
    """Next unread offset at the commit: records below it were either used, are still open, or are dead letters."""
    verdicts: int | None = None
    """Frames partition only: read the verdict partition back from this offset."""
    dead_letters: int | None = None
    """Frames partition only: read the dead-letter partition back from this offset."""
    clocks_ms: Mapping[str, int] = field(default_factory=dict)
    """Frames partition only: the clock of each station, so that it never runs backwards."""
    forgotten_ms: int | None = None
    """Frames partition only: no piece of a forgotten station has entered after this event time."""
    starts: int = 0
    """Owners in a row that had records to read and committed nothing beyond `read`: the next record may have killed
    them."""
    unsettled: int = 0
    """Owners in a row that started with open pieces and left the oldest without a verdict: judging it may have killed
    them."""
    judging: tuple[tuple[int, int], ...] = ()
    """Frames partition only: pieces whose judging may have killed owners, each with the number of these; the last one
    was about to be judged."""
    contents: Mapping[str, Contents] = field(default_factory=dict)
    """Pieces partition only, by station: digests of the last recordings and chunks, so that a successor detects a
    frozen source at once. Without room, drops the oldest ones, then whole stations from the end."""

    def encode(self) -> str:
        """The memo as compact ASCII JSON of at most 4,096 bytes. Raises MemoError."""
        optional: dict[str, object] = {
            "verdicts": self.verdicts,
            "dead_letters": self.dead_letters,
            "clocks_ms": dict(self.clocks_ms) or None,
            "forgotten_ms": self.forgotten_ms,
            "starts": min(self.starts, MAX_STARTS) or None,
            "unsettled": min(self.unsettled, MAX_STARTS) or None,
            "judging": [list(pair) for pair in self.judging[-MAX_JUDGING:]] or None,
        }
        fields = {"read": self.read} | {name: value for name, value in optional.items() if value is not None}
        if contents := fitting(self.contents):
            fields["contents"] = contents
        text = json.dumps(fields, separators=(",", ":"))
        if len(text) > MAX_MEMO_BYTES:
            raise MemoError(
                f"the memo takes {len(text)} bytes for {len(self.clocks_ms)} stations, at most {MAX_MEMO_BYTES} fit "
                "into an offset's metadata: spread the stations over more partitions"
            )
        return text

    @classmethod
    def decode(cls, text: str, offset: int) -> "OffsetMetadata":
        """The memo of a commit at `offset`; an empty text (a commit by another tool) continues at the offset.

        Raises MemoError.
        """
        if not text:
            return cls(read=offset)
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise _refused(text, offset) from exc
        if not isinstance(fields, dict) or not _is_count(fields.get("read")):
            raise _refused(text, offset)
        return cls(
            read=fields["read"],
            verdicts=_count_or_none(fields.get("verdicts"), text, offset),
            dead_letters=_count_or_none(fields.get("dead_letters"), text, offset),
            clocks_ms=_clocks(fields.get("clocks_ms", {}), text, offset),
            forgotten_ms=_count_or_none(fields.get("forgotten_ms"), text, offset),
            starts=_count_or_none(fields.get("starts"), text, offset) or 0,
            unsettled=_count_or_none(fields.get("unsettled"), text, offset) or 0,
            judging=_pairs(fields.get("judging"), text, offset),
            contents=_contents(fields.get("contents", {}), text, offset),
        )

    def begun(self, offset: int, end: int) -> "OffsetMetadata":
        """The memo that a new owner commits before it reads from `offset`, in a partition that ends at offset `end`."""
        return replace(
            self,
            starts=self.starts + (self.read < end),
            unsettled=self.unsettled + (offset < self.read),
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_clock(value: object) -> bool:
    return isinstance(value, int) and _is_count(value) and value < LAST_NS // 1_000_000


def _count_or_none(value: object, text: str, offset: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and _is_count(value):
        return value
    raise _refused(text, offset)


def _pairs(value: object, text: str, offset: int) -> tuple[tuple[int, int], ...]:
    if value is None:
        return ()
    pairs = []
    for pair in value if isinstance(value, list) else [value]:
        match pair:
            case [int(piece), int(ended)] if _is_count(piece) and _is_count(ended):
                pairs.append((piece, ended))
            case _:
                raise _refused(text, offset)
    return tuple(pairs)


def _clocks(value: object, text: str, offset: int) -> dict[str, int]:
    if isinstance(value, dict) and all(is_name(name) and _is_clock(clock) for name, clock in value.items()):
        return value
    raise _refused(text, offset)


def fitting(contents: Mapping[str, Contents]) -> dict[str, dict[str, str]]:
    """The contents in base64, as many as fit into a memo without clocks."""
    fewest = _KEPT[-1]
    fit = _first_fitting(contents.items(), fewest)
    if len(fit) < len(contents):
        return {station: _texts(contents[station], fewest) for station in fit}
    kept = next(kept for kept in _KEPT if len(_first_fitting(contents.items(), kept)) == len(contents))
    return {station: _texts(sources, kept) for station, sources in contents.items()}


def may_fit(contents: Iterable[tuple[str, Contents]]) -> dict[str, Contents]:
    """The first of these stations, up to the first that has no room even with the fewest digests."""
    room, chosen = _CONTENTS_BYTES - 1, {}
    for station, sources in contents:
        chosen[station] = sources
        room -= _size(station, sources, _KEPT[-1])
        if room < 0:
            break
    return chosen


def _first_fitting(contents: Iterable[tuple[str, Contents]], kept: int) -> list[str]:
    """The first stations, as many as fit with so many digests per source."""
    room, chosen = _CONTENTS_BYTES - 1, []
    for station, sources in contents:
        room -= _size(station, sources, kept)
        if room < 0:
            break
        chosen.append(station)
    return chosen


def _size(station: str, sources: Contents, kept: int) -> int:
    """Bytes of a station in the memo, with the comma before it."""
    return (
        3
        + _quoted_size(station)
        + max(1, sum(2 + _quoted_size(name) + _text_size(name, len(own), kept) for name, own in sources.items()))
    )


def _text_size(source: str, num_digests: int, kept: int) -> int:
    """Of the digests in base64, with quotes."""
    return 2 + -(-CONTENT_BYTES * min(num_digests, _num_kept(source, kept)) // 3) * 4


@lru_cache(maxsize=4096)
def _quoted_size(name: str) -> int:
    return len(json.dumps(name))


def _num_kept(source: str, kept: int) -> int:
    return min(kept, max(_FEW_CHUNKS, kept // 4)) if source.endswith(OF_CHUNKS) else kept


def _texts(sources: Contents, kept: int) -> dict[str, str]:
    return {
        source: b64encode(b"".join(digests[-_num_kept(source, kept) :])).decode() for source, digests in sources.items()
    }


def _contents(value: object, text: str, offset: int) -> dict[str, Contents]:
    try:
        match value:
            case dict():
                return {station: _contents_of(sources) for station, sources in value.items()}
    except ValueError as exc:
        raise _refused(text, offset) from exc
    raise _refused(text, offset)


def _contents_of(sources: object) -> Contents:
    """Raises ValueError."""
    if not isinstance(sources, dict):
        raise ValueError("expected one text per source")  # noqa: TRY004
    contents: dict[str, list[bytes]] = {}
    for source, packed in sources.items():
        data = b64decode(packed, validate=True) if isinstance(packed, str) else b"-"
        if len(data) % CONTENT_BYTES:
            raise ValueError(f"{source}: expected {CONTENT_BYTES} bytes per recording")
        contents[source] = [data[at : at + CONTENT_BYTES] for at in range(0, len(data), CONTENT_BYTES)]
    return contents


def _refused(text: str, offset: int) -> MemoError:
    return MemoError(
        f"the memo {text[:80]!r} at offset {offset} was not written by an inspector: "
        "find the other program that commits offsets for this group"
    )
