"""Lets verdicts pass through the charts of their places, whose states lie in the archive's database."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from inspector.alerts.charts import Chart, Signal
from inspector.alerts.conditions import Condition
from inspector.alerts.place import Place
from inspector.alerts.rows import is_at, stored_place
from inspector.alerts.seen import Seen
from inspector.archive.tables_alerts import ALERT_CHARTS

log = logging.getLogger("inspector.alerts.evaluator")

_C = ALERT_CHARTS.c


class Change(NamedTuple):
    """An alert begins or ends, by this verdict."""

    condition: Condition
    place: Place
    signal: Signal
    seen: Seen


@dataclass(slots=True)
class _Opened:
    """A chart, and what of it is stored."""

    condition: Condition
    chart: Chart
    state: str = ""
    reference: bytes = b""


class Evaluator:
    """Belongs to one follower. Call `forget` after a transaction that was not committed."""

    def __init__(self, conditions: Sequence[Condition], max_charts: int) -> None:
        self._conditions, self._max_charts = conditions, max_charts
        self._charts: dict[Place, _Opened] = {}
        self._touched: set[Place] = set()
        self._is_full = False

    @property
    def num_charts(self) -> int:
        return len(self._charts)

    def forget(self) -> None:
        """Reads all states from the database again."""
        self._charts.clear()
        self._touched.clear()

    def step(self, connection: Connection, seen: Seen) -> Iterator[Change]:
        """Lets one verdict pass through the charts of its places."""
        for condition in self._conditions:
            for place in map(stored_place, condition.places(seen)):
                opened = self._opened(connection, condition, place)
                if opened is None:
                    continue
                self._touched.add(place)
                signal = opened.chart.step(seen)
                if signal is not None:
                    yield Change(condition, place, signal, seen)

    def save(self, connection: Connection) -> None:
        """Writes the states that have changed."""
        changed = [place for place in self._touched if self._has_changed(place)]
        self._touched.clear()
        if not changed:
            return
        names = {f"at_{name}": _C[name] for name in Place._fields}
        old = delete(ALERT_CHARTS).where(*(column == bindparam(name) for name, column in names.items()))
        connection.execute(old, [dict(zip(names, place, strict=True)) for place in changed])
        connection.execute(insert(ALERT_CHARTS), [self._row(place) for place in changed])

    def _has_changed(self, place: Place) -> bool:
        opened = self._charts[place]
        return (opened.state, opened.reference) != (opened.chart.state(), opened.chart.reference())

    def _row(self, place: Place) -> dict[str, object]:
        opened = self._charts[place]
        opened.state, opened.reference = opened.chart.state(), opened.chart.reference()
        stored = {"design": opened.condition.design, "state": opened.state, "reference": opened.reference}
        return {**place._asdict(), **stored}

    def _opened(self, connection: Connection, condition: Condition, place: Place) -> _Opened | None:
        """None where there is no room for another chart."""
        if place in self._charts:
            return self._charts[place]
        row = connection.execute(select(ALERT_CHARTS).where(is_at(ALERT_CHARTS, place))).first()
        if row is None and not self._has_room(connection, place):
            return None
        if row is None or row.design != condition.design:
            opened = _Opened(condition, condition.open_chart(place.part, "", b""))
        else:
            chart = condition.open_chart(place.part, row.state, row.reference)
            opened = _Opened(condition, chart, row.state, row.reference)
        self._charts[place] = opened
        return opened

    def _has_room(self, connection: Connection, place: Place) -> bool:
        if not self._is_full and max(len(self._charts), count_charts(connection)) < self._max_charts:
            return True
        if not self._is_full:
            log.error("%s is not watched by %s, nor is any further place: there are %d charts already. Set max_charts "
                      "in [alerts] higher, or find out who sends so many stations.",
                      place.words, place.condition, self._max_charts)  # fmt: skip
        self._is_full = True
        return False


def remove_other_designs(connection: Connection, conditions: Sequence[Condition]) -> list[Place]:
    """Removes charts whose condition is gone or has other settings now; returns their places."""
    designs = {condition.name: condition.design for condition in conditions}
    places = []
    for row in connection.execute(select(_C.condition, _C.line, _C.station, _C.part, _C.design)).all():
        if designs.get(row.condition) != row.design:
            place = Place(row.condition, row.line, row.station, row.part)
            connection.execute(delete(ALERT_CHARTS).where(is_at(ALERT_CHARTS, place)))
            places.append(place)
    return places


def count_charts(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(ALERT_CHARTS)).scalar_one()
