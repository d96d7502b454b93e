"""Follows the verdicts and holds what browsers get: each verdict encoded once, the newest state of every other kind.

Belongs to the server's event loop: every method but `post` is called there.
"""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Event

from google.protobuf.message import DecodeError

from inspector.verdicts.feed import Feed, FeedPace, Followed, Position
from inspector.verdicts.ring import Entry, Ring, entries_of
from inspector.web.card import Card, Value, address_of, card_of
from inspector.web.figures import LineFigures
from inspector.web.metrics import WebMetrics
from inspector.web.recent import RecentVerdicts
from inspector.web.settings import WebSettings
from protos.inspection.v1.verdict_pb2 import Verdict
from streams import resume_token
from streams.log import Log, Start, TokenInvalidError
from streams.records import TopicPartition

log = logging.getLogger("inspector.web.hub")

BLIND_AFTER_S = 3.0
"""The page says that the log is away after this time; nothing is lost by it."""
FIGURES_EVERY_S = 1.0
MAX_STATIONS = 256
MAX_STATE_BYTES = 256 * 2**10
"""Largest encoded state of one kind."""


class Hub:
    """A target of a feed (`FeedTarget`), and the source of every event stream."""

    def __init__(self, settings: WebSettings, metrics: WebMetrics, over: Event | None = None) -> None:
        """Sets `over` when following has ended for good, by an error."""
        self._settings, self._metrics, self._over = settings, metrics, over or Event()
        self._news = asyncio.Event()
        self._states: dict[str, tuple[int, bytes]] = {}
        """By kind: running number of the last change, and the encoded frame."""
        self._num_changes = 0
        self._cards: dict[tuple[str, str], Card] = {}
        """The last verdict of every station, in order of arrival."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._feed: Feed[Entry] | None = None
        self._figures_due_s = 0.0
        self.figures = LineFigures()
        self.ring = Ring(settings.ring_bytes, settings.ring_age_s, settings.ring_count)
        """Encoded frames, as `Entry.value`."""
        self.recent = RecentVerdicts(settings.ring_bytes // 2)
        self.is_caught_up = False
        self.is_away = False

    def start(self, source: Log, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to follow `source`, in a separate thread."""
        self._loop = loop
        since_ns = time.time_ns() - int(self._settings.ring_age_s * 1e9)
        followed = Followed("verdicts", source.tail, entries_of)
        feed = Feed(followed, Start(time_ns=since_ns), self, loop, "live page", FeedPace(blind_after_s=BLIND_AFTER_S))
        feed.start()
        self._feed = feed

    async def stop(self) -> None:
        """Ends all event streams, then the following."""
        self.ring.close()
        self._wake()
        if self._feed is not None:
            await self._feed.stop()

    def identify(self, identities: Mapping[str, str]) -> None:
        """Nothing to do: a browser connects to one page for minutes, and its tokens go by offset."""

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        self.ring.restart(position)
        if oldest_ns is not None:
            self._cards.clear()
        self._wake()

    def take(self, entries: Sequence[Entry], position: Position) -> None:
        frames = []
        vector = dict(self.ring.position)
        for entry in entries:
            vector[entry.source] = max(entry.offset + 1, vector.get(entry.source, 0))
            if (frame := self._encoded(entry, vector)) is not None:
                frames.append(frame)
        self.ring.push(frames, position, time.time_ns())
        self._metrics.verdicts.inc(len(frames))
        self._show_figures()
        if frames:
            self._wake()

    def caught_up(self) -> None:
        self.is_caught_up = True
        self._figures_due_s = 0.0
        self._show_figures()
        self._wake()

    def blind(self, is_blind: bool) -> None:
        self.is_away = is_blind
        self.show("away", is_blind)

    def end(self) -> None:
        self.ring.close()
        self._wake()
        self._over.set()

    def post(self, kind: str, data: Value) -> None:
        """Shows the newest state of a kind such as `alerts` to all browsers, now and when they connect later.
        Thread-safe; `data` must not be changed afterwards."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.show, kind, data)

    def show(self, kind: str, data: Value) -> None:
        """As `post`, in the event loop. A state that is too large is logged and not shown."""
        frame = encoded(kind, data)
        if len(frame) > MAX_STATE_BYTES:
            log.error("%s: %d bytes are too many for browsers, at most %d.", kind, len(frame), MAX_STATE_BYTES)
            return
        if self._states.get(kind, (0, b""))[1] != frame:
            self._num_changes += 1
            self._states[kind] = self._num_changes, frame
            self._wake()

    def states_since(self, number: int) -> tuple[int, list[bytes]]:
        """Number of the last change, and the frames of all kinds that changed after `number`."""
        return self._num_changes, [frame for changed, frame in self._states.values() if changed > number]

    async def news(self) -> None:
        """Waits until there is something new, or the hub stops."""
        await self._news.wait()

    def snapshot(self) -> Mapping[str, Value]:
        """The last verdict of every station, and the position behind it."""
        stations: list[Value] = [self._cards[key] for key in sorted(self._cards)]
        return {
            "position": {f"{topic}/{partition}": end for (topic, partition), end in self.ring.position.items()},
            "stations": stations,
            "figures": self.figures.as_json(time.time_ns()),
            "id": event_id(self.ring.position),
            "away": self.is_away,
        }

    def _encoded(self, entry: Entry, vector: Mapping[TopicPartition, int]) -> Entry | None:
        """The entry with its frame in place of the verdict."""
        try:
            verdict = Verdict.FromString(entry.value)
        except DecodeError:  # `entries_of` has read it before
            return None
        card = card_of(entry, verdict)
        key = entry.inspection.line, entry.inspection.station
        if key not in self._cards and len(self._cards) >= MAX_STATIONS:
            del self._cards[next(iter(self._cards))]
        self._cards[key] = card
        self.recent.add(address_of(entry), entry.value)
        self.figures.add(entry, verdict)
        return replace(entry, value=encoded("verdict", card, event_id(vector)))

    def _show_figures(self) -> None:
        now_s = time.monotonic()
        if self.is_caught_up and now_s >= self._figures_due_s:
            self._figures_due_s = now_s + FIGURES_EVERY_S
            self.show("figures", self.figures.as_json(time.time_ns()))

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def encoded(kind: str, data: Value, number: str = "") -> bytes:
    """One frame of an event stream, with its id."""
    text = json.dumps({"kind": kind, "data": data}, separators=(",", ":"))
    return f"{f'id: {number}{chr(10)}' if number else ''}data: {text}\n\n".encode()


def event_id(vector: Mapping[TopicPartition, int]) -> str:
    """Names the moment behind all verdicts below these offsets; valid for every process that follows the log."""
    return base64.urlsafe_b64encode(resume_token.encode(vector)).decode()


def vector_of(number: str) -> Mapping[TopicPartition, int] | None:
    """The offsets that `event_id` was given; None for anything else."""
    try:
        return resume_token.decode(base64.urlsafe_b64decode(number.encode("ascii", "replace")))
    except (TokenInvalidError, ValueError):
        return None


def is_ahead(vector: Mapping[TopicPartition, int], position: Mapping[TopicPartition, int]) -> bool:
    """Whether the offsets lie behind the end of the log: they are of another log."""
    return any(offset > position.get(source, 0) for source, offset in vector.items())
