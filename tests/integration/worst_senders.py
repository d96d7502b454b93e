"""Sends the worst inputs to a log, as foreign producers would: other codecs, odd headers, another partitioner."""

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2
from kafka.producer.future import FutureRecordMetadata

from streams.embedded import EmbeddedLog
from streams.log import LogError
from streams.records import TYPE_HEADER, Output
from tests.integration.proof_line import ProofLine
from tests.integration.worst_inputs import WORST, Turn, WorstRecord

MOST_BYTES = 256 * 2**20
KCAT_CODECS = ("snappy", "lz4", "zstd")


class Sender(Protocol):
    """Sends the records of one input at once; False when the log refuses any, or it cannot be sent here."""

    def send(self, records: Sequence[WorstRecord]) -> bool: ...

    def close(self) -> None: ...


class _HeaderName(str):
    """A header's name that leaves the client as the bytes that it was given."""

    def encode(self, *_: object, **__: object) -> bytes:
        return bytes(map(ord, self))


class KafkaSender:
    """kafka-python, and kcat for the codecs that kafka-python lacks here."""

    def __init__(self, line: ProofLine) -> None:
        self._line = line
        self._producers = {codec: self._open(codec) for codec in ("", "gzip")}

    def send(self, records: Sequence[WorstRecord]) -> bool:
        batches = groupby(records, key=lambda record: record.codec)
        return all(self._send(codec, list(batch)) for codec, batch in batches)

    def close(self) -> None:
        for producer in self._producers.values():
            with suppress(KafkaError):
                producer.close(5)

    def _open(self, codec: str) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._line.bootstrap,
            compression_type=codec or None,
            max_request_size=MOST_BYTES,
            linger_ms=20,
        )

    def _send(self, codec: str, records: Sequence[WorstRecord]) -> bool:
        if codec in KCAT_CODECS:
            return self._send_by_kcat(codec, records)
        producer = self._producers[codec]
        try:
            for future in [self._sent(producer, record) for record in records]:
                future.get(20)
        except KafkaError:
            return False
        return True

    def _sent(self, producer: KafkaProducer, record: WorstRecord) -> FutureRecordMetadata:
        headers = [(TYPE_HEADER, record.type.encode())]
        if record.header_name:
            headers.append((_HeaderName(record.header_name.decode("latin-1")), b"1"))
        expected = (murmur2(record.key) & 0x7FFFFFFF) % self._line.partitions
        partition = (expected + record.is_misplaced) % self._line.partitions
        topic = self._line.topic(record.kind)
        return producer.send(topic, value=record.value, key=record.key, headers=headers, partition=partition)

    def _send_by_kcat(self, codec: str, records: Sequence[WorstRecord]) -> bool:
        if not shutil.which("kcat"):
            return False
        first = records[0]
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / str(number) for number in range(len(records))]
            for file, record in zip(files, records, strict=True):
                file.write_bytes(record.value)
            where = ("-b", self._line.bootstrap, "-t", self._line.topic(first.kind), "-k", first.key.decode())
            how = ("-z", codec, "-H", f"{TYPE_HEADER}={first.type}", "-X", "partitioner=murmur2_random")
            done = subprocess.run(["kcat", "-P", *where, *how, *map(str, files)], check=False, capture_output=True)
        return done.returncode == 0


class EmbeddedSender:
    """The embedded log's publisher, which has neither codecs nor headers nor partitions."""

    def __init__(self, line: ProofLine) -> None:
        self._line = line
        self._publisher = EmbeddedLog(line.folder / "log.sqlite").publisher()

    def send(self, records: Sequence[WorstRecord]) -> bool:
        if any(record.needs_kafka for record in records):
            return False
        try:
            self._publisher.publish(
                [
                    Output(self._line.topic(record.kind), None, record.key, record.value, record.type)
                    for record in records
                ]
            )
        except LogError:
            return False
        return True

    def close(self) -> None:
        self._publisher.close()


@dataclass(frozen=True)
class Offence:
    """Which of the worst inputs are sent, and how often."""

    every_s: float
    only: str = ""
    """A part of the names; empty for all."""

    @property
    def names(self) -> list[str]:
        return [name for name in WORST if self.only in name]


class Offender:
    """Sends one of the worst inputs every `every_s` seconds, in turn, from a separate thread."""

    def __init__(self, line: ProofLine, offence: Offence, silent_address: str) -> None:
        self._every_s, self._silent_address = offence.every_s, silent_address
        self._names = offence.names
        self._sender: Sender = KafkaSender(line) if line.bootstrap else EmbeddedSender(line)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offender")
        self.sent: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Not taken by the log, or not to be sent here."""

    def __enter__(self) -> "Offender":
        for name in self._names:
            WORST[name](Turn(0, self._silent_address))  # large ones take seconds to make
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sender.close()

    def _run(self) -> None:
        names, number, next_s = self._names, 0, time.monotonic()
        while names and not self._stop.wait(max(0.0, next_s - time.monotonic())):
            name = names[number % len(names)]
            is_accepted = self._sender.send(WORST[name](Turn(number, self._silent_address)))
            (self.sent if is_accepted else self.refused)[name] += 1
            number, next_s = number + 1, max(next_s + self._every_s, time.monotonic())


@contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers: the address below which it has everything."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
