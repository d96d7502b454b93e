"""Reads the log of a fault run, without the product's readers, and computes the figures."""

import json
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from protos.inspection.v1.verdict_pb2 import Verdict

CONTROL = 0x20
"""Bit of a batch's attributes: it ends a transaction."""


@dataclass(frozen=True)
class Read:
    """One verdict record: nothing is merged, a doubled verdict is two of these."""

    piece: str
    station: str
    partition: int
    entry_s: float
    append_s: float
    outcome: tuple[object, ...]
    """Must equal that of an undisturbed run: decision, reason, modalities, bundle."""


def read_verdicts(config: Path, prefix: str, bootstrap: str) -> list[Read]:
    """All committed verdicts of the line, in any order."""
    topic = f"{prefix}.line-1.verdicts"
    values = _from_kafka(topic, bootstrap) if bootstrap else _from_sqlite(topic, config.with_name("log.sqlite"))
    return [_read(Verdict.FromString(value), partition, append_s) for value, partition, append_s in values]


def _read(verdict: Verdict, partition: int, append_s: float) -> Read:
    modalities = tuple((modality.name, modality.state) for modality in verdict.modalities)
    outcome = (verdict.decision, verdict.reason, modalities, verdict.bundle, verdict.bundle_version)
    piece, station = verdict.inspection.piece_id, verdict.inspection.station
    return Read(piece, station, partition, verdict.entry_ns / 1e9, append_s, outcome)


def _from_kafka(topic: str, bootstrap: str) -> Iterator[tuple[bytes, int, float]]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_bytes=64 * 2**20,
    )
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                yield from ((record.value, record.partition, record.timestamp / 1000) for record in records)
    finally:
        consumer.close()


def _from_sqlite(topic: str, path: Path) -> Iterator[tuple[bytes, int, float]]:
    with sqlite3.connect(path) as base:
        query = "SELECT value, append_ns FROM records JOIN topics ON topics.id = topic WHERE name = ?"
        rows = base.execute(query, (topic,)).fetchall()
    base.close()
    yield from ((value, 0, append_ns / 1e9) for value, append_ns in rows)


def compare(calm: Sequence[Read], faulty: Sequence[Read]) -> list[str]:
    """Pieces whose outcome differs between the two runs."""
    expected = {read.piece: read.outcome for read in calm}
    return [
        f"{read.piece}: {expected.get(read.piece)} became {read.outcome}"
        for read in faulty
        if expected.get(read.piece) != read.outcome
    ]


def open_at(reads: Sequence[Read], note: Mapping[str, object]) -> int:
    """Pieces in the killed worker's partitions that had entered and had no verdict yet."""
    at_s, owned = float(str(note["at_s"])), json.loads(str(note["partitions"]))
    return sum(read.partition in owned and read.entry_s < at_s < read.append_s for read in reads)


def gaps(reads: Sequence[Read], notes: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """For every fault, the longest time that a station waited for its next verdict."""
    stations: dict[str, list[float]] = {}
    for read in sorted(reads, key=lambda verdict: verdict.append_s):
        stations.setdefault(read.station, []).append(read.append_s)
    pauses = []
    for note in notes:
        at_s = float(str(note["at_s"]))
        spans = [_span(times, at_s) for times in stations.values()]
        pauses.append({"fault": f"{note['signal']} {note['point']}".strip(), "stopped_s": round(max(spans), 2)})
    return pauses


def _span(times: Sequence[float], at_s: float) -> float:
    """The pause in a station's verdicts that a fault falls into (or that begins within the second after it)."""
    pairs = pairwise(times)
    return max((later - earlier for earlier, later in pairs if earlier <= at_s + 1 and later >= at_s), default=0.0)


def count_aborts(logs: Path, topic: str) -> int:
    """Abort markers in the broker's own segment files of a topic."""
    return sum(_aborts(segment.read_bytes()) for segment in logs.glob(f"{topic}-*/*.log"))


def _aborts(data: bytes) -> int:
    """Batches of version 2: 61 bytes of header, then, in a control batch, one record with key (version, type)."""
    position = count = 0
    while position + 61 < len(data):
        (length,) = struct.unpack_from(">i", data, position + 8)
        (attributes,) = struct.unpack_from(">h", data, position + 21)
        if attributes & CONTROL:
            key = data[position + 61 : position + 12 + length]
            count += _marker_type(key) == 0
        position += 12 + length
    return count


def _marker_type(record: bytes) -> int:
    """0 for an abort, 1 for a commit: length, attributes, times and key length are one byte each here."""
    (kind,) = struct.unpack_from(">h", record, 7)
    return int(kind)
