"""A gateway is killed and restarted while verdicts are appended: a watcher that resumes misses and repeats nothing."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from inspector.client.client import Client, Watch, WatchOptions
from inspector.gateway.server import Backend, Gateway
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.kafka.client import open_transactional_producer
from streams.kafka.settings import KafkaSettings
from streams.log import Log, Publisher
from streams.records import Output
from tests.inspector.gateway.conftest import SETTINGS, OneRecipe
from tests.integration.faults import wait_for
from tests.integration.service_line import LINE, ServiceLine

STATIONS = ("st-0", "st-1")
KILLED_AFTER = (1, 40, 5, 120, 60)
"""Verdicts that each of the gateways lives for."""
PAUSE_S = 0.01
Seen = list[tuple[str, int]]


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.broker)])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceLine:
    return ServiceLine.make(tmp_path, request.getfixturevalue("bootstrap") if request.param == "kafka" else "")


class Appending:
    """Appends a verdict for each station in turn, each station in a partition of its own where there are two."""

    def __init__(self, line: ServiceLine) -> None:
        self._line, self._stop = line, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def stop(self) -> int:
        """Verdicts that every station got."""
        self._stop.set()
        self._thread.join()
        return self.count

    def __enter__(self) -> "Appending":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        with closing(self._line.log()) as log, closing(self._publisher(log)) as publisher:
            while not self._stop.wait(PAUSE_S):
                publisher.publish([self._verdict(number, self.count) for number in range(len(STATIONS))])
                publisher.flush()
                self.count += 1

    def _publisher(self, log: Log) -> Publisher:
        return Transactions(self._line.kafka) if self._line.bootstrap else log.publisher()

    def _verdict(self, station: int, number: int) -> Output:
        name, partition = STATIONS[station], station if self._line.bootstrap else 0
        inspection = Inspection(line=LINE, station=name, piece_id=str(number))
        value = Verdict(inspection=inspection, decision=Decision.DECISION_PASS).SerializeToString()
        return Output(self._line.topics.of("verdicts"), partition, name.encode(), value, "inspection.v1.Verdict")


class Transactions:
    """Writes to Kafka as a worker does. Every tenth time it writes and aborts the same first: nobody may see that."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = open_transactional_producer(settings)
        self._count = 0

    def publish(self, outputs: Sequence[Output]) -> None:
        self._count += 1
        if self._count % 10 == 0:
            self._write(outputs)
            self._producer.abort_transaction()
        self._write(outputs)
        self._producer.commit_transaction()

    def flush(self) -> None:
        """A commit waits by itself."""

    def close(self) -> None:
        self._producer.close()

    def _write(self, outputs: Sequence[Output]) -> None:
        self._producer.begin_transaction()
        for output in outputs:
            self._producer.send(output.topic, value=output.value, key=output.key, partition=output.partition)
        self._producer.flush()


@contextmanager
def watching(client: Client) -> Iterator[Seen]:
    """Verdicts that a persistent watcher has seen so far."""
    watch, seen = client.watch(WatchOptions(earliest=True)), Seen()
    thread = threading.Thread(target=lambda: seen.extend(place for place in _places(watch)))
    thread.start()
    try:
        yield seen
    finally:
        watch.close()
        thread.join()


def _places(watch: Watch) -> Iterator[tuple[str, int]]:
    return ((verdict.inspection.station, int(verdict.inspection.piece_id)) for verdict, _ in watch)


def by_station(seen: Seen) -> dict[str, list[int]]:
    return {station: [number for name, number in seen if name == station] for station in STATIONS}


def test_a_watcher_outlives_its_gateways(line: ServiceLine) -> None:
    with Appending(line) as appending, Client(line.address) as client, watching(client) as seen:
        for lifetime in KILLED_AFTER:
            goal = len(seen) + lifetime
            with line.start("gateway") as gateway:
                wait_for(lambda: len(seen) >= goal or gateway.has_ended, 60, "verdicts")  # noqa: B023 - called at once
                assert not gateway.has_ended, line.log_text
            # leaving the block has sent SIGKILL; verdicts go on being appended without a gateway
        with line.start("gateway"):
            count = appending.stop()
            wait_for(lambda: len(seen) >= count * len(STATIONS), 60, "the rest")
            threading.Event().wait(0.5)  # one too many would come now
    assert by_station(seen) == {station: list(range(count)) for station in STATIONS}


@contextmanager
def gateway_over(line: ServiceLine) -> Iterator[Gateway]:
    with closing(line.log()) as log:
        backend = Backend(log, line.prefix, frozenset({LINE}), OneRecipe(), lambda *_: None)
        with Gateway(backend, SETTINGS) as gateway:
            assert gateway.wait_serving(20)
            yield gateway


def test_a_token_of_one_gateway_is_taken_by_another(line: ServiceLine) -> None:
    seen, token = Seen(), None
    with ExitStack() as stack, Appending(line) as appending:
        gateways = [stack.enter_context(gateway_over(line)) for _ in range(2)]
        for number, gateway in enumerate((*gateways, *gateways)):
            if number == 3:
                appending.stop()
            with (
                Client(gateway.address) as client,
                closing(client.watch(WatchOptions(earliest=True, token=token))) as watch,
            ):
                seen += itertools.islice(_places(watch), 50 if number < 3 else 2 * appending.count - len(seen))
                token = watch.token
    assert by_station(seen) == {station: list(range(appending.count)) for station in STATIONS}
