"""Traces that arrived before anything else of their piece."""

from collections.abc import Iterator

from streams.decode.items import Trace
from streams.join.clips import SECOND_NS
from streams.join.lowest import Lowest
from streams.observation import InspectionId


class WaitingTraces:
    """The waiting traces of one station, in order of arrival."""

    def __init__(self) -> None:
        self._traces: dict[int, Trace] = {}
        self._numbers: dict[InspectionId, list[int]] = {}
        self._ends = Lowest[int, int]()
        self._next = 0

    def __len__(self) -> int:
        return len(self._traces)

    def __iter__(self) -> Iterator[Trace]:
        return iter(self._traces.values())

    @property
    def oldest(self) -> Trace:
        return next(iter(self._traces.values()))

    @property
    def earliest_end_ns(self) -> int | None:
        return self._ends.lowest

    def add(self, trace: Trace) -> None:
        number, self._next = self._next, self._next + 1
        self._traces[number] = trace
        self._numbers.setdefault(trace.inspection, []).append(number)
        self._ends.set(number, end_ns_of(trace))

    def ended(self, time_ns: int) -> list[Trace]:
        """The traces that ended at a time or before."""
        earliest_ns = self.earliest_end_ns
        if earliest_ns is None or earliest_ns > time_ns:
            return []
        return [trace for trace in self if end_ns_of(trace) <= time_ns]

    def take(self, inspection: InspectionId) -> list[Trace]:
        """Removes and returns those of a piece."""
        return [self._remove(number) for number in self._numbers.pop(inspection, ())]

    def remove(self, trace: Trace) -> None:
        numbers = self._numbers[trace.inspection]
        number = next(number for number in numbers if self._traces[number] is trace)
        numbers.remove(number)
        if not numbers:
            del self._numbers[trace.inspection]
        self._remove(number)

    def _remove(self, number: int) -> Trace:
        self._ends.discard(number)
        return self._traces.pop(number)


def end_ns_of(trace: Trace) -> int:
    """Event time at which a trace ends by its own stamp."""
    return trace.start_ns + round(len(trace.samples) / trace.sample_rate_hz * SECOND_NS)
