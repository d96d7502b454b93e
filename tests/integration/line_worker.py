"""A complete worker as a process that may kill itself at named points and notes its shards first.

Started by `fault_run` with CONFIG, WORKER, NOTES and the FAULT_ variables of `tests.integration.faults`.
"""

import json
import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.cli.serving import named
from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.service.assembly import deployed, guarded
from inspector.service.run_worker import run_worker, stopped_by_signals
from inspector.worker.metrics import WorkerMetrics
from streams.kafka.client_logs import quiet_client_logs
from streams.kafka.log import KafkaLog
from streams.log import Sink, Source
from tests.integration.faults import Fault, FaultySource


@dataclass
class NotedFault(Fault):
    """Writes down, before it strikes, when, and which partitions the worker owned."""

    notes: Path = Path()
    metrics: WorkerMetrics | None = None

    def reached(self, point: str) -> None:
        if point == self.point and self.seen >= self.after:
            note = {
                "at_s": time.time(),
                "worker": os.environ["WORKER"],
                "point": point,
                "signal": signal.Signals(self.signal).name,
            }
            with self.notes.open("a") as file:
                file.write(json.dumps({**note, "partitions": self._owned()}) + "\n")
        super().reached(point)

    def _owned(self) -> list[int]:
        """Partitions that this worker owns, by its own gauges."""
        if self.metrics is None:
            return []
        samples = (sample for metric in self.metrics.open_pieces.collect() for sample in metric.samples)
        return sorted(int(sample.labels["partition"]) for sample in samples)


def ends(service: Service, fault: Fault) -> tuple[Source, Sink]:
    """Source and sink with the fault in them."""
    log, config = open_log(service.path, service.config), service.config
    sink = log.sink(fault.reached)
    if isinstance(log, KafkaLog):
        return FaultySource(log.source(), fault), sink
    return FaultySource(log.source(config.lines, config.prefix, config.worker.name), fault), sink


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    quiet_client_logs()
    service = named(load_service(Path(os.environ["CONFIG"])), os.environ["WORKER"])
    metrics = WorkerMetrics(CollectorRegistry())
    fault = NotedFault(**vars(Fault.from_environment()), notes=Path(os.environ["NOTES"]), metrics=metrics)
    with stopped_by_signals(10.0) as stop, deployed(service, stop, CollectorRegistry()) as what:
        guard = guarded(service, what.judge)
        run_worker(service, guard, metrics, stop, lambda: ends(service, fault), what.shadow)


if __name__ == "__main__":
    main()
