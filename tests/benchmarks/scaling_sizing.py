"""Computes from measured costs what a number of stations needs: cores, workers, partitions, brokers, bytes, memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.scaling import Scaled


@dataclass(frozen=True)
class Costs:
    """What was measured, per piece and per station."""

    piece_ms: float
    """Worker's CPU for a piece."""
    station_ms: float
    """Worker's CPU for a second of one station without pieces: its sensors."""
    worker_ms: float
    """Worker's CPU for a second of its own, without pieces and stations: polls, positions, clocks."""
    broker_piece_ms: float
    broker_station_ms: float
    broker_idle_ms: float
    piece_bytes: float
    """In the log: frame, event and verdict."""
    station_bytes: float
    """In the log: a second of signals."""
    base_mib: float
    """Memory of a worker without stations."""
    station_mib: float


@dataclass(frozen=True)
class Assumptions:
    """What the page assumes and nobody measured here; change them for another plant."""

    pieces_per_s: float = 0.5
    """Of each station."""
    worker_cores: float = 1.0
    """One worker per core: the most that one worker was seen to use is in the figures."""
    busy: float = 0.6
    """Share of a core that is planned for: the rest is for backlogs and for workers that restart."""
    shards_per_worker: int = 2
    """Partitions of each topic per worker, so that another worker takes over evenly."""
    topics: int = 7
    """Of a line that have partitions: three inputs, verdicts, dead letters, feedback, shadow."""
    replication: int = 3
    broker_mb_s: float = 100.0
    """Written by one broker, replicas included."""
    broker_cores: int = 8
    retention_h: float = 24.0


@dataclass(frozen=True)
class Size:
    """What one number of stations needs."""

    stations: int
    pieces_per_s: float
    cores: float
    """Of all workers for pieces and stations, before the share that is planned for."""
    workers: int
    shards: int
    replicas: int
    """Partitions of all topics with their replicas."""
    mb_per_s: float
    """Into the log, before replication."""
    brokers: int
    disk_tb: float
    """On all brokers, for the time that records are kept."""
    worker_gib: float
    """Memory of each worker."""


def size(stations: int, costs: Costs, assumed: Assumptions) -> Size:
    """Raises ValueError for a worker that has no time for pieces."""
    rate = stations * assumed.pieces_per_s
    cores = (rate * costs.piece_ms + stations * costs.station_ms) / 1e3
    spare = assumed.worker_cores * assumed.busy - costs.worker_ms / 1e3
    if spare <= 0:
        raise ValueError(f"a worker by itself takes {costs.worker_ms:.0f} ms a second, which leaves nothing for pieces")
    workers = max(1, math.ceil(cores / spare))
    shards = workers * assumed.shards_per_worker
    bytes_s = rate * costs.piece_bytes + stations * costs.station_bytes
    written_s = bytes_s * assumed.replication
    broker_cores = (rate * costs.broker_piece_ms + stations * costs.broker_station_ms) * assumed.replication / 1e3
    brokers = max(
        assumed.replication,
        math.ceil(written_s / (assumed.broker_mb_s * 1e6)),
        math.ceil(broker_cores / (assumed.broker_cores * assumed.busy - costs.broker_idle_ms / 1e3)),
    )
    return Size(
        stations=stations,
        pieces_per_s=rate,
        cores=cores,
        workers=workers,
        shards=shards,
        replicas=shards * assumed.topics * assumed.replication,
        mb_per_s=bytes_s / 1e6,
        brokers=brokers,
        disk_tb=written_s * assumed.retention_h * 3600 / 1e12,
        worker_gib=(costs.base_mib + costs.station_mib * math.ceil(stations / workers)) / 1024,
    )


def fit(runs: Sequence[Scaled]) -> Costs:
    """By least squares over runs with one worker: cost a second = pieces x a + stations x b + c. Raises ValueError."""
    if len({(run.stations, run.rate) for run in runs}) < 3:
        raise ValueError("expected at least three runs with different stations and rates")
    service = _terms(runs, [run.service_ms * run.achieved for run in runs])
    broker = _terms(runs, [run.broker_ms * run.achieved for run in runs])
    memory = np.polyfit([run.stations for run in runs], [run.memory_mib for run in runs], 1)
    piece_bytes = [run.topic_bytes["frames"] + run.topic_bytes["pieces"] + run.topic_bytes["verdicts"] for run in runs]
    station_bytes = [run.topic_bytes["signals"] * run.rate / run.stations for run in runs]
    return Costs(
        piece_ms=service[0],
        station_ms=service[1],
        worker_ms=service[2],
        broker_piece_ms=broker[0],
        broker_station_ms=broker[1],
        broker_idle_ms=broker[2],
        piece_bytes=float(np.mean(piece_bytes)),
        station_bytes=float(np.mean(station_bytes)),
        base_mib=float(memory[1]),
        station_mib=max(0.0, float(memory[0])),
    )


def _terms(runs: Sequence[Scaled], spent_ms: Sequence[float]) -> tuple[float, float, float]:
    """Of pieces, stations and neither; none is negative: the best fit of all choices of terms that are positive."""
    columns = np.array([[run.achieved, run.stations, 1.0] for run in runs])
    best, least = np.zeros(3), math.inf
    for chosen in ([0, 1, 2], [0, 1], [0, 2], [1, 2], [0], [1], [2]):
        values = np.linalg.lstsq(columns[:, chosen], np.array(spent_ms), rcond=None)[0]
        left = float(np.sum((columns[:, chosen] @ values - spent_ms) ** 2))
        if (values >= 0).all() and left < least:
            best, least = np.zeros(3), left
            best[chosen] = values
    return float(best[0]), float(best[1]), float(best[2])
