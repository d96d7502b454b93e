"""Decides when each piece enters and at which station, so that no two clips overlap in one stream.

Every entry lies on a grid on which all sensors have a sample, in whole nanoseconds: a window relative to the entry
then begins exactly on a sample, and the join cuts out exactly the samples that were put in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from streams.join.assembly import AssemblySpec, SensorSpec

NS = 1_000_000_000
MAX_STATIONS = 256


class PlanError(ValueError):
    """Pieces cannot be published so; the message explains why and how to fix it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """When and where one piece enters."""

    number: int
    station: int
    step: int
    """Entry in steps of the grid."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All entries of a run, in order of time; times count from the first entry."""

    grid_ns: int
    entries: tuple[Entry, ...]
    num_stations: int

    def at(self, station: int) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.station == station)

    def entry_ns(self, entry: Entry) -> int:
        return entry.step * self.grid_ns

    @property
    def length_ns(self) -> int:
        return self.entry_ns(self.entries[-1])


def time_bound(spec: AssemblySpec) -> tuple[SensorSpec, ...]:
    return tuple(sensor for sensor in spec.sensors if sensor.bind == "time")


def grid_ns(rates_hz: Sequence[float]) -> int:
    """The shortest step of whole nanoseconds that is made of whole samples at every rate; 1 ms without sensors."""
    common = Fraction(NS if rates_hz else 1000)
    for rate_hz in rates_hz:
        common = _gcd(common, Fraction(rate_hz).limit_denominator(1000))
    return int(NS / common)


def _gcd(a: Fraction, b: Fraction) -> Fraction:
    numerator = math.gcd(a.numerator * b.denominator, b.numerator * a.denominator)
    return Fraction(numerator, a.denominator * b.denominator)


def plan(num_pieces: int, rate_hz: float, spec: AssemblySpec, stations: int = 1) -> Plan:
    """Spreads the pieces in turn over `stations`, or over as many more as their windows need at this rate."""
    sensors = time_bound(spec)
    step_ns = grid_ns([sensor.sample_rate_hz for sensor in sensors])
    steps = [int(Fraction(number * NS) / Fraction(rate_hz)) // step_ns for number in range(num_pieces)]
    window_s = max((sensor.end_s - sensor.start_s for sensor in sensors), default=0.0)
    apart = math.ceil(Fraction(window_s).limit_denominator(NS) * NS / step_ns)
    needed = next((n for n in range(stations, MAX_STATIONS + 1) if _free(steps, n, apart)), None)
    if needed is None:
        raise PlanError(
            f"{rate_hz:g} pieces/s with windows of {window_s:g} s need more than {MAX_STATIONS} stations; "
            "lower the rate or shorten the window"
        )
    entries = tuple(Entry(number, number % needed, step) for number, step in enumerate(steps))
    return Plan(step_ns, entries, needed)


def _free(steps: Sequence[int], stations: int, apart: int) -> bool:
    return all(later - earlier >= apart for earlier, later in zip(steps, steps[stations:], strict=False))
