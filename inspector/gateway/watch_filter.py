"""Selects the verdicts that a watcher gets."""

from dataclasses import dataclass

from inspector.gateway.refusal import invalid_argument
from inspector.verdicts.ring import Entry
from protos.inspection.v1.service_pb2 import WatchVerdictsRequest
from streams.decode.limits import RecordError, check_name, check_text

MAX_FILTER_VALUES = 256
"""Names of each kind in a filter, each at most 128 bytes: 120 kB in total (8 MB of names took 146 MB)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects verdicts for a watcher; an empty set selects all."""

    lines: frozenset[str]
    stations: frozenset[str]
    products: frozenset[str]
    decisions: frozenset[int]

    def admits(self, entry: Entry) -> bool:
        return (
            (not self.lines or entry.inspection.line in self.lines)
            and (not self.stations or entry.inspection.station in self.stations)
            and (not self.products or entry.product in self.products)
            and (not self.decisions or entry.decision in self.decisions)
        )


def filter_of(request: WatchVerdictsRequest) -> Filter:
    """Limits its size, because it is kept as long as the watcher is connected. Raises StatusError."""
    for what, values in (
        ("lines", request.lines),
        ("stations", request.stations),
        ("products", request.products),
        ("decisions", request.decisions),
    ):
        if len(values) > MAX_FILTER_VALUES:
            raise invalid_argument(
                f"{len(values)} {what}, expected at most {MAX_FILTER_VALUES}: leave the list empty to see all"
            )
    try:
        lines = frozenset(check_name("a line", name) for name in request.lines)
        stations = frozenset(check_name("a station", name) for name in request.stations)
        products = frozenset(check_text("a product", name) for name in request.products)
    except RecordError as error:
        raise invalid_argument(error.detail) from error
    return Filter(lines, stations, products, frozenset(request.decisions))
