"""Figures of every station over its last pieces: takt, throughput, p95 of the latency, share of REVIEW, sensors."""

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from inspector.verdicts.ring import Entry
from inspector.verdicts.words import enum_word
from inspector.web.card import Card, Value, decision_word
from protos.inspection.v1 import verdict_pb2 as pb

WINDOW_S, WINDOW_PIECES = 600.0, 1000
MAX_STATIONS, MAX_SENSORS = 256, 32
_TAKT_PIECES = 50
"""The takt is the median distance of this many pieces: it follows a change of pace within a minute or so."""


@dataclass(slots=True)
class _Station:
    """One line per piece: entry (ns), latency (ms), decision."""

    pieces: deque[tuple[int, float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW_PIECES))
    sensors: dict[str, deque[int]] = field(default_factory=dict)
    newest: Card = field(default_factory=dict)


class LineFigures:
    """Filled verdict by verdict; bounded by stations, sensors and pieces."""

    def __init__(self) -> None:
        self._stations: dict[tuple[str, str], _Station] = {}

    def add(self, entry: Entry, verdict: pb.Verdict) -> None:
        key = entry.inspection.line, entry.inspection.station
        station = self._stations.pop(key, None) or _Station()
        if len(self._stations) >= MAX_STATIONS:
            del self._stations[next(iter(self._stations))]
        self._stations[key] = station
        latency_ms = (verdict.publish_ns - verdict.capture_ns) / 1e6
        station.pieces.append((verdict.entry_ns or entry.append_ns, latency_ms, verdict.decision))
        for modality in verdict.modalities[:MAX_SENSORS]:
            _states(station, modality.name).append(modality.state)

    def as_json(self, now_ns: int) -> list[Value]:
        """One object a station, by name. Figures are null without pieces in the window."""
        return [_figures(key, self._stations[key], now_ns) for key in sorted(self._stations)]


def _states(station: _Station, sensor: str) -> deque[int]:
    if sensor not in station.sensors and len(station.sensors) >= MAX_SENSORS:
        del station.sensors[next(iter(station.sensors))]
    return station.sensors.setdefault(sensor, deque(maxlen=_TAKT_PIECES))


def _figures(key: tuple[str, str], station: _Station, now_ns: int) -> Card:
    since_ns = now_ns - int(WINDOW_S * 1e9)
    pieces = [piece for piece in station.pieces if piece[0] >= since_ns]
    line, name = key
    return {
        "line": line,
        "station": name,
        "num": len(pieces),
        "takt_s": _takt_s([entry_ns for entry_ns, _, _ in pieces]),
        "per_minute": _per_minute([entry_ns for entry_ns, _, _ in pieces], now_ns),
        "p95_ms": round(float(np.percentile([latency for _, latency, _ in pieces], 95)), 1) if pieces else None,
        **_shares(pieces),
        "sensors": [_sensor(sensor, states) for sensor, states in station.sensors.items()],
    }


def _takt_s(entries_ns: list[int]) -> float | None:
    """Median distance of the last pieces, in seconds."""
    ordered = sorted(entries_ns[-_TAKT_PIECES:])
    return None if len(ordered) < 2 else round(float(np.median(np.diff(ordered))) / 1e9, 2)


def _per_minute(entries_ns: list[int], now_ns: int) -> float | None:
    """Pieces of the last minute."""
    return None if not entries_ns else float(sum(entry_ns >= now_ns - 60 * 10**9 for entry_ns in entries_ns))


def _shares(pieces: list[tuple[int, float, int]]) -> Card:
    counts = Counter(decision_word(decision) for _, _, decision in pieces)
    return {f"{word}_share": round(counts[word] / len(pieces), 4) if pieces else None
            for word in ("pass", "fail", "review")}  # fmt: skip


def _sensor(name: str, states: deque[int]) -> Card:
    """The state of the last piece, and how many of the last pieces had another one than PRESENT."""
    absent = sum(state != pb.MODALITY_STATE_PRESENT for state in states)
    return {"name": name, "state": enum_word(pb.ModalityState, states[-1]).lower(), "absent": absent, "of": len(states)}
