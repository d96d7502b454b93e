"""Keeps a bounded number of stations per shard: a new one may replace one that is no longer used.

Producers choose the names, so any of them can fill all places. A station without pieces and samples is dropped after
being idle for two horizons, or at once if no recipe names it but one names the new station.
"""

from collections.abc import Iterable, Iterator, Mapping

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.limits import RecordError
from streams.join.clips import SECOND_NS
from streams.join.frozen import Contents
from streams.join.offset_metadata import has_room_for, may_fit
from streams.join.one_part import MEMORY_HORIZONS
from streams.join.shard_context import ShardContext
from streams.join.station import Station


class Stations:
    """The stations by name. `forgotten_ns` replaces the clocks of all forgotten stations."""

    def __init__(
        self,
        line: str,
        shared: ShardContext,
        clocks_ms: Mapping[str, int],
        forgotten_ms: int | None,
        contents: Mapping[str, Contents],
    ) -> None:
        self._line, self._shared = line, shared
        self._horizon_ns = round(shared.settings.dedup_horizon_s * SECOND_NS)
        self._stations: dict[str, Station] = {}
        self._num_created = 0
        for name, clock_ms in clocks_ms.items():
            self._add(name, Station(line, name, shared, clock_ms * 1_000_000, contents=contents.get(name)))
        self.forgotten_ns = None if forgotten_ms is None else forgotten_ms * 1_000_000
        """The log's clock when a station was last forgotten, plus the allowed skew of event times."""

    def __iter__(self) -> Iterator[Station]:
        return iter(self._stations.values())

    def items(self) -> Iterable[tuple[str, Station]]:
        return self._stations.items()

    def __getitem__(self, name: str) -> Station:
        return self._stations[name]

    def get(self, name: str) -> Station | None:
        return self._stations.get(name)

    @property
    def clocks_ms(self) -> dict[str, int]:
        """The times of all clocks, for a successor."""
        return self._shared.clocks.times_ms()

    @property
    def contents(self) -> dict[str, Contents]:
        """Digests for a successor, most recently used station first, of as many stations as a memo has room for."""
        stations = sorted(self, key=lambda station: station.used_ns, reverse=True)
        return may_fit((station.name, digests) for station in stations if (digests := station.contents))

    @property
    def forgotten_ms(self) -> int | None:
        """Rounded up, for a successor."""
        return None if self.forgotten_ns is None else -(-self.forgotten_ns // 1_000_000)

    def take(self, name: str, append_ns: int, *, may_forget: bool) -> Station:
        """The station of a record appended at `append_ns`. Raises RecordError if there is no place for another
        station."""
        station = self._stations.get(name)
        if station is None:
            self._make_room(name, may_forget=may_forget)
            station = self._add(name, Station(self._line, name, self._shared, None, self._floor_ns()))
            self._shared.wakes.change(name)
        station.used_ns = max(station.used_ns, append_ns)
        return station

    def due(self, now_s: float) -> list[Station]:
        """The stations that have something to do, in order of their creation."""
        wakes = self._shared.wakes
        for name, number in wakes.due_pieces(now_s):
            if name in self._stations:
                self._stations[name].look_at(number)
                wakes.change(name)
        due = [self._stations[name] for name in wakes.due_stations() if name in self._stations]
        return sorted(due, key=lambda station: station.number)

    def drop_blank(self, name: str) -> None:
        """Drops a station that has only refused records."""
        station = self._stations.get(name)
        if station is not None and station.is_blank:
            self._drop(station)

    def has_forgotten(self, name: str, entry_ns: int) -> bool:
        """Whether a piece of an unknown station entered so long ago that its verdict is not needed: its records would
        be too old even for a new station."""
        now_ns = self._shared.time.now_ns
        return name not in self._stations and now_ns is not None and entry_ns < self._oldest_ns(now_ns)

    def _add(self, name: str, station: Station) -> Station:
        station.number, self._num_created = self._num_created, self._num_created + 1
        self._stations[name] = station
        return station

    def _make_room(self, name: str, *, may_forget: bool) -> None:
        settings = self._shared.settings
        while len(self._stations) >= settings.max_stations or not has_room_for((*self._stations, name)):
            idle = self._least_useful(name) if may_forget else None
            if idle is None:
                raise RecordError(
                    pb.DEAD_LETTER_REASON_STATION_LIMIT,
                    f"{len(self._stations) + 1} stations share the partition, at most {settings.max_stations} are "
                    f"allowed (fewer with long names); a station is dropped when it has sent nothing for "
                    f"{MEMORY_HORIZONS * settings.dedup_horizon_s:g} s: find the producer of mistyped names, name "
                    "the line's stations in recipes, or raise max_stations or the number of partitions",
                )
            self._forget(idle)

    def _least_useful(self, newcomer: str) -> Station | None:
        now_ns = self._shared.time.now_ns or 0
        empty = [station for station in self if station.is_empty]
        idle = [station for station in empty if station.used_ns + MEMORY_HORIZONS * self._horizon_ns <= now_ns]
        if not idle and self._has_recipe(newcomer):
            idle = [station for station in empty if not self._has_recipe(station.name)]
        return min(idle, key=lambda station: station.used_ns, default=None)

    def _has_recipe(self, name: str) -> bool:
        recipes = self._shared.recipes
        return bool(recipes.cameras(self._line, name) or recipes.sensors(self._line, name))

    def _forget(self, station: Station) -> None:
        now_ns = self._shared.time.now_ns or 0
        self.forgotten_ns = max(self.forgotten_ns or 0, now_ns + round(self._shared.settings.max_skew_s * SECOND_NS))
        self._drop(station)
        self._shared.metrics.forgot(self._line, station.name)

    def _drop(self, station: Station) -> None:
        del self._stations[station.name]
        station.clock.remove()

    def _floor_ns(self) -> int | None:
        """Event time before which nothing enters at a new station, because it may be a forgotten one and the piece may
        have its verdict. Verdicts of the last horizons are remembered in any case."""
        now_ns = self._shared.time.now_ns
        if self.forgotten_ns is None or now_ns is None:
            return None
        return min(self.forgotten_ns, self._oldest_ns(now_ns))

    def _oldest_ns(self, now_ns: int) -> int:
        return now_ns - (MEMORY_HORIZONS + 1) * self._horizon_ns
