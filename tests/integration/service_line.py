"""A complete service as processes: its configuration, recipe, toy bundle, log and the records in it.

Reads logs without the product's readers.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import grpc
import numpy as np
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from inspector.bundle.schema import SignalInput
from inspector.client.client import Client, ClientError
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.embedded import EmbeddedLog
from streams.encoding import to_output
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import TopicPlan, create_topics
from streams.records import Output, Topics
from tests.bundles import Toy, grey, hum, write_toy_bundle
from tests.integration.conftest import free_ports
from tests.integration.faults import WorkerProcess, wait_for
from tests.texts import recipe_text

LINE, STATION, PRODUCT = "l1", "st-1", "a"
NUM_SAMPLES = 80
RATE_HZ = 8000.0
CONFIG = """
prefix = "{prefix}"
lines = ["l1"]
recipes = ["recipe.toml"]
[log]
{log}
[join]
max_delay_s = 0.5
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{port}"
"""
RECIPE = recipe_text(keys='product = "a"', rate_hz=8000, end_s=0.01)


@dataclass(frozen=True)
class Stored:
    """One record as it lies in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    type: str


@dataclass(frozen=True)
class Look:
    """What camera and microphone make of one piece: grey and loudness from 0 to 1; None where nothing comes."""

    grey: float | None = 0.25
    loudness: float | None = 0.0

    def frame(self, capture_ns: int) -> pb.CameraFrame:
        """With random noise: no two images of a camera are alike."""
        noise = np.random.default_rng(capture_ns).integers(-1, 2, (48, 64))
        image = (grey(self.grey or 0.0, (48, 64)) + noise).clip(0, 255).astype(np.uint8)
        pixels = pb.ImagePixels(format=pb.PIXEL_FORMAT_PNG, data=cv2.imencode(".png", image)[1].tobytes())
        return pb.CameraFrame(camera="top", product=PRODUCT, capture_ns=capture_ns, pixels=pixels)

    def samples(self) -> pb.Samples:
        data = hum(self.loudness or 0.0, NUM_SAMPLES).astype("<f4").tobytes()
        return pb.Samples(format=pb.SAMPLE_FORMAT_F32LE, sample_rate_hz=RATE_HZ, num_channels=1, data=data)

    def request(self, piece: str, product: str = PRODUCT) -> InspectRequest:
        """The piece as `Inspect` takes it."""
        frames = [] if self.grey is None else [self.frame(0)]
        clip = SignalClip(sensor="mic", kind=pb.SIGNAL_KIND_AUDIO, samples=self.samples())
        signals = [] if self.loudness is None else [clip]
        for frame in frames:
            frame.product = product
        return InspectRequest(inspection=inspection(piece), product=product, frames=frames, signals=signals)


def inspection(piece: str) -> pb.Inspection:
    return pb.Inspection(line=LINE, station=STATION, piece_id=piece)


@dataclass(frozen=True)
class ServiceLine:
    """One line in a log of its own; `bootstrap` is empty on the embedded log."""

    folder: Path
    bootstrap: str
    prefix: str
    port: int

    @classmethod
    def make(cls, folder: Path, bootstrap: str = "") -> "ServiceLine":
        """Writes configuration, recipe and bundle, and makes the topics, with two partitions each."""
        line = cls(folder, bootstrap, f"qa-{uuid.uuid4().hex[:8]}", free_ports(1)[0])
        signal = SignalInput(sample_rate_hz=RATE_HZ, num_samples=NUM_SAMPLES, num_channels=1)
        write_toy_bundle(folder / "toy", Toy(signal=signal))
        log = f'kind = "embedded"\npath = "{folder / "log.sqlite"}"'
        if bootstrap:
            log = f'kind = "kafka"\nbootstrap_servers = ["{bootstrap}"]\ngroup = "{line.prefix}"'
            create_topics(line.kafka, line.prefix, [LINE], TopicPlan(partitions=2))
        (folder / "service.toml").write_text(CONFIG.format(prefix=line.prefix, log=log, port=line.port))
        (folder / "recipe.toml").write_text(RECIPE)
        return line

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def topics(self) -> Topics:
        return Topics(self.prefix, LINE)

    @property
    def kafka(self) -> KafkaSettings:
        """Settings of a client of this line's broker."""
        return KafkaSettings(bootstrap_servers=(self.bootstrap,), group="reader", worker="publisher")

    @property
    def log_text(self) -> str:
        """Log of all processes."""
        return (self.folder / "service.log").read_text()

    def start(self, command: str, module: str = "inspector") -> WorkerProcess:
        """`inspector serve` or `gateway` of this line."""
        words = (command, "--config", str(self.folder / "service.toml"))
        return WorkerProcess(module, {"OMP_NUM_THREADS": "1"}, self.folder / "service.log", words)

    def log(self) -> EmbeddedLog | KafkaLog:
        if self.bootstrap:
            return KafkaLog(self.kafka, self.prefix, [LINE])
        return EmbeddedLog(self.folder / "log.sqlite")

    def publish(self, outputs: Sequence[Output]) -> None:
        with closing(self.log()) as log, closing(log.publisher()) as publisher:
            publisher.publish(outputs)

    def piece(self, piece: str, look: Look, product: str = PRODUCT, capture_ns: int | None = None) -> list[Output]:
        """The records of a piece, captured now unless said otherwise; without a frame it enters by an event."""
        now_ns = time.time_ns() if capture_ns is None else capture_ns
        chunk = pb.SignalChunk(
            line=LINE,
            station=STATION,
            sensor="mic",
            kind=pb.SIGNAL_KIND_AUDIO,
            stream_id=piece,
            start_ns=now_ns,
            samples=look.samples(),
        )
        frame = look.frame(now_ns)
        frame.inspection.CopyFrom(inspection(piece))
        frame.product = product
        opens = self.event(piece, pb.PIECE_EVENT_KIND_ENTERED, now_ns) if look.grey is None else frame
        chunks = [] if look.loudness is None else [chunk]
        return [to_output(self.topics, message) for message in (opens, *chunks)]

    def event(self, piece: str, kind: pb.PieceEventKind, event_ns: int) -> pb.PieceEvent:
        return pb.PieceEvent(inspection=inspection(piece), product=PRODUCT, kind=kind, event_ns=event_ns)

    def stored(self, kind: str) -> list[Stored]:
        """Everything committed on one of the line's topics."""
        topic = self.topics.of(kind)
        return list(_from_kafka(topic, self.bootstrap) if self.bootstrap else _from_sqlite(topic, self.folder))

    def verdicts(self) -> list[Verdict]:
        return [Verdict.FromString(record.value) for record in self.stored("verdicts")]

    def wait_for_verdicts(self, pieces: Sequence[str], timeout_s: float = 60.0) -> None:
        expected = set(pieces)
        wait_for(
            lambda: expected <= {verdict.inspection.piece_id for verdict in self.verdicts()},
            timeout_s,
            f"verdicts of {expected}",
        )


@contextmanager
def serving(line: ServiceLine, module: str = "inspector") -> Iterator[tuple[WorkerProcess, Client]]:
    """`inspector serve` with a client, once it answers."""
    with line.start("serve", module) as process, Client(line.address) as client:
        wait_for(lambda: process.has_ended or answers(client), 60, "the service to answer")
        if process.has_ended:
            raise RuntimeError(f"the service has ended:\n{line.log_text}")
        yield process, client


def answers(client: Client) -> bool:
    try:
        client.inspect(Look().request("hello"))
    except ClientError as error:
        if error.code is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


def _from_kafka(topic: str, bootstrap: str) -> Iterator[Stored]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_bytes=64 * 2**20,
    )
    with closing(consumer):
        partitions = [KafkaPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    kind = dict(record.headers).get("inspection-type", b"").decode()
                    yield Stored(topic, record.partition, record.offset, record.key or b"", record.value, kind)


def _from_sqlite(topic: str, folder: Path) -> Iterator[Stored]:
    query = "SELECT records.id, key, value, type FROM records JOIN topics ON topics.id = topic WHERE name = ?"
    with closing(sqlite3.connect(folder / "log.sqlite")) as base:
        for offset, key, value, kind in base.execute(query + " ORDER BY records.id", (topic,)).fetchall():
            yield Stored(topic, 0, offset, key, value, kind)
