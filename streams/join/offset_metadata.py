"""The memo that travels with committed offsets, so that a successor re-reads without judging anything twice.

One JSON object per input partition, well under Kafka's 4,096 bytes of offset metadata. Knows no payload.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from streams.decode.limits import LAST_NS, is_name
from streams.join.frozen import CONTENT_BYTES, OF_CHUNKS, Contents
from streams.log import LogError

MAX_MEMO_BYTES = 4096
_FIELDS_BYTES = 360
"""Numbers of nineteen digits under all the names below take 156; the rest is left for fields of later versions."""
MAX_STARTS, MAX_JUDGING = 99, 4
_KEPT = (256, 64, 16, 4, 2, 1)
"""So many recordings of each source go along, the most that fit: 256 are those of four pieces with 64 images each."""
_FEW_CHUNKS = 4
"""Recordings of pieces go before chunks: of these a quarter goes along, where that is more than this."""
_CLOCK_BYTES = 17
"""Thirteen digits of milliseconds, quotes, colon and comma."""


def has_room_for(stations: Iterable[str]) -> bool:
    """Whether the clocks of these stations fit into one memo."""
    return sum(len(name) + _CLOCK_BYTES for name in stations) <= MAX_MEMO_BYTES - _FIELDS_BYTES


class MemoError(LogError):
    """A memo that is too large to be committed, or that no worker of this version has written."""


@dataclass(frozen=True, slots=True)
class OffsetMetadata:
    """What the owner of a shard leaves beside the committed offset of one input partition."""

    read: int
    """Next unread offset at the commit: records below it were either used, are still open, or are dead letters."""
    verdicts: int | None = None
    """Frames partition only: read the verdict partition back from this offset."""
    dead_letters: int | None = None
    """Frames partition only: read the dead-letter partition back from this offset."""
    clocks_ms: Mapping[str, int] = field(default_factory=dict)
    """Frames partition only: the clock of each station, so that it never runs back."""
    forgotten_ms: int | None = None
    """Frames partition only: no piece of a station that was forgotten has entered behind this event time."""
    starts: int = 0
    """Owners in a row that began where there were records to read, and committed nothing beyond `read`: they may have
    died of the next record."""
    unsettled: int = 0
    """Owners in a row that began with pieces open, and left the oldest of them without a verdict: they may have died
    of judging it."""
    judging: tuple[tuple[int, int], ...] = ()
    """Frames partition only: pieces at whose judging owners may have ended, each with how many have; the last of them
    was about to be judged."""
    contents: Mapping[str, Contents] = field(default_factory=dict)
    """Pieces partition only, by station: the recordings judged last and the chunks used last, so that a frozen source
    is known at once. The oldest of them, then those of the last stations, are left out where there is no room."""

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
                f"the memo takes {len(text)} bytes for {len(self.clocks_ms)} stations, at most {MAX_MEMO_BYTES} travel "
                "with an offset: spread the stations over more partitions"
            )
        return text

    @classmethod
    def decode(cls, text: str, offset: int) -> "OffsetMetadata":
        """The memo of a commit at `offset`; an empty text (a commit by another tool) reads on from the offset.

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
        """What a new owner leaves before it reads on from `offset`, in a partition that ends at offset `end`."""
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
    """The contents in base64, as many as a memo without clocks has room for."""
    room = MAX_MEMO_BYTES - _FIELDS_BYTES
    for kept in _KEPT:
        texts = {station: _texts(sources, kept) for station, sources in contents.items()}
        if len(json.dumps(texts, separators=(",", ":"))) <= room:
            return texts
    while len(json.dumps(texts, separators=(",", ":"))) > room:
        texts.popitem()
    return texts


def _texts(sources: Contents, kept: int) -> dict[str, str]:
    num_chunks = min(kept, max(_FEW_CHUNKS, kept // 4))
    many = {source: num_chunks if source.endswith(OF_CHUNKS) else kept for source in sources}
    return {source: b64encode(b"".join(each[-many[source] :])).decode() for source, each in sources.items()}


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
        raise ValueError("expected one text for each source")  # noqa: TRY004
    contents: dict[str, list[bytes]] = {}
    for source, packed in sources.items():
        data = b64decode(packed, validate=True) if isinstance(packed, str) else b"-"
        if len(data) % CONTENT_BYTES:
            raise ValueError(f"{source}: expected {CONTENT_BYTES} bytes for each recording")
        contents[source] = [data[at : at + CONTENT_BYTES] for at in range(0, len(data), CONTENT_BYTES)]
    return contents


def _refused(text: str, offset: int) -> MemoError:
    return MemoError(
        f"the memo {text[:80]!r} beside offset {offset} is not one that an inspector has written: "
        "check which other program commits for this group"
    )
