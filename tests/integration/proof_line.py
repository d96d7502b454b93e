"""A line for the long proofs: its topics, its publisher, and workers that are killed and started again.

Workers and publisher are the product's commands as processes; what came out is read by `outside_reader`.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from deploy.kafka.run import Broker, properties
from inspector.config.opening import open_log
from inspector.config.service import kafka_settings, load_service, load_service_config
from inspector.replay.pacing import Clock
from inspector.replay.pieces import SimulatedPieces
from inspector.replay.run import Request, prepare
from inspector.simulation.pieces import LineSettings
from streams.kafka.topics import TopicPlan, create_topics
from tests.benchmarks.publisher import Pool
from tests.benchmarks.setting import inspector
from tests.integration.conftest import free_ports
from tests.integration.faults import ROOT, WorkerProcess
from tests.integration.outside_reader import TopicRecord, read_sqlite, read_topic
from tests.integration.verdict_count import Inspected, VerdictCount, count

CONFIG = """
prefix = "{prefix}"
lines = ["line-1"]
recipes = ["recipe.toml"]
join.max_delay_s = {max_delay_s}
worker.scouts_only_after_s = 31000000
worker.review_after_s = 31000000
{keys}
[log]
{log}
{more}
"""
"""However late a piece is, it is judged: the proofs count verdicts, and a REVIEW for lateness would be one as well."""


@dataclass(frozen=True)
class ProofLine:
    """One line, `bootstrap` empty on the embedded log; everything of it lies in `folder`."""

    folder: Path
    prefix: str
    bootstrap: str
    partitions: int

    @classmethod
    def create(
        cls,
        folder: Path,
        bootstrap: str,
        *,
        partitions: int = 4,
        max_delay_s: float = 1.0,
        backlog: str = "judge",
        keys: str = "",
        more: str = "",
    ) -> "ProofLine":
        """Writes configuration and recipe and makes the topics. `keys` and `more` add dotted keys and tables."""
        line = cls(folder, folder.name, bootstrap, partitions)
        folder.mkdir(parents=True)
        recipe = (ROOT / "deploy/recipes/demo.toml").read_text()
        recipe = recipe.replace('"../bundles/demo"', json.dumps(str(ROOT / "deploy/bundles/demo")))
        (folder / "recipe.toml").write_text(recipe.replace("stale_after_s = 60.0", f'backlog = "{backlog}"'))
        log = f'kind = "kafka"\nbootstrap_servers = ["{bootstrap}"]\ngroup = "{line.prefix}"'
        if not bootstrap:
            log = f'kind = "embedded"\npath = "{folder / "log.sqlite"}"'
        line.config.write_text(
            CONFIG.format(prefix=line.prefix, log=log, max_delay_s=max_delay_s, keys=keys, more=more)
        )
        if bootstrap:
            config = load_service_config(line.config)
            create_topics(kafka_settings(line.config, config), config.prefix, config.lines, TopicPlan(partitions))
        return line

    @property
    def config(self) -> Path:
        return self.folder / "service.toml"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.jsonl"

    def topic(self, kind: str) -> str:
        return f"{self.prefix}.line-1.{kind}"

    def simulate(self, pieces: int, rate: float, *words: str) -> "subprocess.Popen[bytes]":
        """`inspector simulate` as a process."""
        options = ("--pieces", str(pieces), "--rate", str(rate), "--truth", str(self.truth), *words)
        command = inspector("simulate", "--config", str(self.config), *options)
        with (self.folder / "publisher.log").open("wb") as out:
            return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)

    def publish_backlog(self, pieces: int, rate: float, stations: int, chunk_s: float) -> None:
        """Publishes, as fast as the log takes it, a line that ran at `rate` and ends now, by the product's replay."""
        service = load_service(self.config)
        source = Pool(pieces, SimulatedPieces(LineSettings(seed=2026), min(pieces, 100)))
        request = Request(rate, stations=stations, chunk_s=chunk_s, truth=self.truth)
        run = prepare(source, service, request, time.time_ns() - round(pieces / rate * 1e9) - 2 * 10**9)
        with closing(open_log(self.config, service.config)) as log, closing(log.publisher()) as publisher:
            run.publish(publisher, Clock())

    @property
    def published(self) -> frozenset[Inspected]:
        """Pieces that have entered, by the publisher's truth file."""
        rows = map(json.loads, self.truth.read_text().splitlines())
        return frozenset((row["station"], row["piece_id"], row["pass_number"]) for row in rows)

    def read(self, kind: str, isolation: str = "read_committed") -> list[TopicRecord]:
        """One of the line's topics, by a program that is not ours."""
        if self.bootstrap:
            return read_topic(self.bootstrap, self.topic(kind), isolation)
        return read_sqlite(self.folder / "log.sqlite", self.topic(kind))

    def count(self, isolation: str = "read_committed") -> VerdictCount:
        """Verdicts and dead letters, by another program's reading."""
        return count(self.published, self.read("verdicts", isolation), self.read("dead-letters", isolation))


class Crew:
    """`inspector worker` processes that start again when they end, as a plant's supervisor would have it."""

    def __init__(self, line: ProofLine, size: int) -> None:
        self.line = line
        self.names = [f"worker-{number + 1}" for number in range(size)]
        self._processes: dict[str, WorkerProcess] = {}
        self._marks: dict[str, int] = {}
        """Length of each worker's log when its process started."""
        self.kills = self.ended = 0
        """`ended`: processes that ended although nobody had killed them."""

    def start(self) -> None:
        for name in self.names:
            self._start(name)

    def owns(self, name: str) -> bool:
        """Whether this process of the worker has said that a shard is its."""
        with self._log(name).open("rb") as file:
            file.seek(self._marks[name])
            return b"is assigned to this worker" in file.read()

    def kill(self, name: str) -> None:
        """SIGKILL, and a new process of the same name."""
        self.kills += 1
        self._processes[name].signal(signal.SIGKILL)
        self._processes[name].__exit__()
        self._start(name)

    def tick(self) -> None:
        """Starts again what has ended by itself."""
        for name, process in list(self._processes.items()):
            if process.has_ended:
                self.ended += 1
                process.__exit__()
                self._start(name)

    def stop(self) -> None:
        for process in self._processes.values():
            process.__exit__()

    def _start(self, name: str) -> None:
        log = self._log(name)
        log.touch()
        self._marks[name] = log.stat().st_size
        arguments = ("worker", "--config", str(self.line.config), "--name", name)
        self._processes[name] = WorkerProcess("inspector", {"OMP_NUM_THREADS": "1"}, log, arguments)

    def _log(self, name: str) -> Path:
        return self.line.folder / f"{name}.log"


class Progress:
    """How far the verdict topic has grown, and since when it has not. Only tells when to look, and counts nothing."""

    def __init__(self, line: ProofLine) -> None:
        topic = line.topic("verdicts")
        self._partitions = [TopicPartition(topic, number) for number in range(line.partitions)]
        self._consumer = KafkaConsumer(bootstrap_servers=line.bootstrap, isolation_level="read_committed")
        self.end = 0
        self._changed_s = time.monotonic()

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._changed_s

    def look(self) -> None:
        """Asks the broker; empty while it is away."""
        try:
            end = sum(self._consumer.end_offsets(self._partitions).values())
        except KafkaError:
            return
        if end != self.end:
            self.end, self._changed_s = end, time.monotonic()

    def wake(self) -> None:
        """Restarts the waiting time after an event that explains a pause."""
        self._changed_s = time.monotonic()

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def broker_in(folder: Path) -> Iterator[tuple[str, Broker]]:
    """A broker on free ports, with its data in `folder`."""
    port, controller = free_ports(2)
    broker = Broker(folder, properties(port, controller, folder))
    broker.start()
    try:
        yield f"127.0.0.1:{port}", broker
    finally:
        broker.stop()


def say(text: str) -> None:
    """A line of progress, on standard error so that tables can go into a file."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
