"""Deploys bundles onto a running line: one verdict per piece, each naming the bundle that made it, and at what delay.

    python -m tests.integration.deploy_run --log kafka --pieces 2000 --rate 12 --out run/deploys.json

The same line runs first without deployments and must give every piece one verdict too. Workers, publisher and
`inspector deploy` are processes of the product; latency is from the moment that a piece's capture was scheduled for to
the receipt of its verdict by a reader. Both runs share one machine with the broker, the publisher and the checks:
figures count on an otherwise quiet machine only.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inspector.bundle.load import DIGEST_DIGITS, load
from inspector.config.opening import open_log
from inspector.config.service import load_service_config
from inspector.rollout.control.records import ControlTable, read_control
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import Start
from tests.integration.deploy_bundles import DEMO, copy_of_demo, spoiled
from tests.integration.fault_run import Line, Options, arguments, broker_for
from tests.integration.faults import ROOT, WorkerProcess, wait_for

WORKERS = ("worker-1", "worker-2")
FULL = ("v1", "v2", "v3", "back", "v4", "v5", "v6", "v7", "back", "v8", "v9", "v10")
"""Ten deployments, each of a bundle that no worker has checked before, and two roll-backs among them."""
SHORT = ("a", "back", "b", "spoiled", "a")
LEAD_S = 3.0
"""After the publisher's start the first piece comes in about this long."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Step:
    """Result of one command."""

    name: str
    code: int
    output: str
    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return round((self.end_ns - self.begin_ns) / 1e9, 1)


@dataclass(frozen=True)
class Receipt:
    verdict: Verdict
    at_ns: int

    @property
    def latency_ms(self) -> float:
        return (self.at_ns - self.verdict.capture_ns) / 1e6


@dataclass
class Reader:
    """Takes every verdict as it appears, with its latency."""

    config: Path
    receipts: list[Receipt] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Reader"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        log = open_log(self.config, load_service_config(self.config))
        with closing(log), closing(log.tail(Start(earliest=True))) as tail:
            while not self._stop.is_set():
                for record in tail.poll(0.2):
                    self.receipts.append(Receipt(Verdict.FromString(record.value), time.time_ns()))

    @property
    def pieces(self) -> Counter[tuple[str, int]]:
        return pieces_of(list(self.receipts))


def pieces_of(receipts: Sequence[Receipt]) -> Counter[tuple[str, int]]:
    return Counter(
        (receipt.verdict.inspection.piece_id, receipt.verdict.inspection.pass_number) for receipt in receipts
    )


@dataclass
class Publishing:
    """Publishes all pieces again and again, each time as another pass, until it is stopped."""

    line: Line
    num_rounds: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator["Publishing"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _run(self) -> None:
        while not self.num_rounds or not self._stop.is_set():
            self.num_rounds += 1
            self.line.publish(self.num_rounds - 1).wait()


@dataclass(frozen=True)
class Course:
    """Pieces published, verdicts received, and steps."""

    num_pieces: int
    receipts: list[Receipt]
    steps: list[Step]


def run_line(line: Line, steps: Sequence[str]) -> Course:
    """Publishes pieces, runs the steps evenly over the time of one round, and waits for the verdicts."""
    line.create()
    bundles = make_bundles(line.config.parent, set(steps) - {"back"})
    with ExitStack() as stack:
        for name in WORKERS:
            stack.enter_context(worker(line, name))
        wait_for(
            lambda: worker_logs(line).count("is running here") >= len(WORKERS),
            60,
            "the workers to follow the control topic",
        )
        wait_for(lambda: "is assigned to this worker" in worker_logs(line), 60, "a worker to own the line")
        reader = stack.enter_context(Reader(line.config).running())
        with Publishing(line).running() as publishing:
            results = list(take(line, steps, bundles, reader))
        num_pieces = line.options.pieces * publishing.num_rounds
        deadline_s = time.monotonic() + PATIENCE_S
        while len(reader.pieces) < num_pieces and time.monotonic() < deadline_s:
            time.sleep(0.2)
        time.sleep(1.0)  # time for a doubled verdict
    return Course(num_pieces, reader.receipts, results)


def await_verdict_of(reader: Reader, deployment: int) -> None:
    """Waits until the deployment has judged a piece; the report shows where it did not in time."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if any(receipt.verdict.deployment == deployment for receipt in list(reader.receipts)):
            return
        time.sleep(0.2)


def await_piece_after(reader: Reader, end_ns: int) -> None:
    """Waits for a piece after the last step; the report shows where none came in time."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if any(receipt.verdict.capture_ns > end_ns for receipt in list(reader.receipts)):
            return
        time.sleep(0.2)


def make_bundles(folder: Path, names: set[str]) -> dict[str, Path]:
    make = {name: spoiled if name == "spoiled" else copy_of_demo for name in sorted(names)}
    return {name: make_one(folder / f"bundle-{name}", name) for name, make_one in make.items()}


def worker(line: Line, name: str) -> WorkerProcess:
    arguments = ("worker", "--config", str(line.config), "--name", name)
    return WorkerProcess("inspector", {"OMP_NUM_THREADS": "1"}, line.config.with_name(f"{name}.log"), arguments)


def worker_logs(line: Line) -> str:
    return "".join(log.read_text() for log in line.config.parent.glob("worker-*.log"))


def take(line: Line, steps: Sequence[str], bundles: dict[str, Path], reader: Reader) -> Iterator[Step]:
    begin_s = time.monotonic() + LEAD_S
    pause_s = line.options.pieces / line.options.rate / (len(steps) + 1)
    for number, name in enumerate(steps, start=1):
        time.sleep(max(0.0, begin_s + number * pause_s - time.monotonic()))
        command = ["rollback"] if name == "back" else ["deploy", str(bundles[name])]
        done = step(name, [*command, "--config", str(line.config), "--reason", f"step {number}"])
        if name != "spoiled":
            await_verdict_of(reader, number)
        yield done
    if steps:
        await_piece_after(reader, done.end_ns)


def step(name: str, arguments: Sequence[str]) -> Step:
    begin_ns = time.time_ns()
    # `deploy` usually runs on another machine: its imports must not disturb the measured line.
    command = ["nice", "-n", "10", sys.executable, "-m", "inspector", "--log-level", "warning", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Step(name, done.returncode, done.stdout + done.stderr, begin_ns, time.time_ns())


def misnamed(line: Line, receipts: Sequence[Receipt]) -> list[str]:
    """Verdicts that name another bundle than that of their deployment."""
    config = load_service_config(line.config)
    table = ControlTable(config.prefix, config.lines)
    with closing(open_log(line.config, config)) as log:
        read_control(log, table).close()
    named = {number: (put.version, put.digest[:DIGEST_DIGITS]) for (_, number), put in table.deployments.items()}
    demo = load(DEMO)
    original = (demo.schema.version, demo.digest[:DIGEST_DIGITS])
    expected = {number: which if which[1] else original for number, which in named.items()} | {0: original}
    return [
        f"{verdict.inspection.piece_id}: {bundle} of deployment {verdict.deployment}"
        for verdict in (receipt.verdict for receipt in receipts)
        if (bundle := (verdict.bundle_version, verdict.bundle_digest)) != expected.get(verdict.deployment)
    ]


def run(options: Options, steps: Sequence[str], *, calm: bool = True) -> dict[str, Any]:
    with broker_for(options) as (bootstrap, _):
        undisturbed = run_line(Line(options, "calm", bootstrap), ()) if calm else Course(0, [], [])
        line = Line(options, "deploys", bootstrap)
        course = run_line(line, steps)
        receipts, results = course.receipts, course.steps
        wrong = misnamed(line, receipts)
    return {
        "log": options.log,
        "rate": options.rate,
        **tally(course),
        "calm": tally(undisturbed),
        "misnamed": wrong,
        "by_deployment": dict(sorted(Counter(receipt.verdict.deployment for receipt in receipts).items())),
        "steps": [(done.name, done.code, done.seconds) for done in results],
        "verdicts_within": [sum(done.begin_ns < one.at_ns < done.end_ns for one in receipts) for done in results],
        "verdicts_after": [sum(done.end_ns < one.at_ns for one in receipts) for done in results],
        "failures": failures(results, {receipt.verdict.deployment for receipt in receipts}),
        "output": [done.output for done in results],
        "latency_ms": {"calm": percentiles(undisturbed.receipts), "deploys": percentiles(receipts)},
    }


def tally(course: Course) -> dict[str, int]:
    """Whether every piece has exactly one verdict."""
    counts = pieces_of(course.receipts)
    return {
        "pieces": course.num_pieces,
        "verdicts": len(course.receipts),
        "doubled": sum(count > 1 for count in counts.values()),
        "missing": course.num_pieces - len(counts),
    }


def failures(steps: Sequence[Step], judged: set[int]) -> list[str]:
    """Steps with a wrong result: every deployment succeeds and judges pieces, a spoiled one does neither."""
    messages = []
    for number, step_ in enumerate(steps, start=1):
        must_fail = step_.name == "spoiled"
        if step_.code != int(must_fail):
            messages.append(f"step {number} ({step_.name}) ended with {step_.code}: {step_.output}")
        if (number in judged) == must_fail:
            messages.append(f"deployment {number} ({step_.name}) judged {'a' if must_fail else 'no'} piece")
    return messages


def percentiles(receipts: Sequence[Receipt]) -> dict[str, float]:
    values = [receipt.latency_ms for receipt in receipts] or [0.0]
    shares = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, share)), 1) for name, share in shares.items()}


def table(report: dict[str, object]) -> str:
    latency = report["latency_ms"]
    assert isinstance(latency, dict)
    rows = [
        f"| {name} | {report['log']} | " + " | ".join(str(value) for value in latency[name].values()) + " |"
        for name in ("calm", "deploys")
    ]
    calm = report["calm"]
    assert isinstance(calm, dict)
    counts = {"calm": calm, "deploys": {name: report[name] for name in calm}}
    steps = ", ".join(f"{name} ({code}, {seconds} s)" for name, code, seconds in report["steps"])  # type: ignore[attr-defined]
    return "\n".join(
        [
            "| run | log | p50 ms | p95 ms | p99 ms | max ms |",
            "|---|---|---|---|---|---|",
            *rows,
            *(
                f"{name}: {counts_text(run_counts)}, p99 {latency[name]['p99']} ms"
                for name, run_counts in counts.items()
            ),
            f"misnamed {len(report['misnamed'])}",  # type: ignore[arg-type]
            f"verdicts by deployment: {report['by_deployment']}",
            f"steps (exit code, seconds): {steps}",
            *report["failures"],  # type: ignore[misc]
        ]
    )


def counts_text(counts: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def is_passed(report: Mapping[str, object]) -> bool:
    """Both runs must give every piece one verdict: latencies of a run that lost pieces are not comparable."""
    latency, calm = report["latency_ms"], report["calm"]
    assert isinstance(latency, dict)
    assert isinstance(calm, dict)
    figures = [report[name] for name in ("doubled", "missing", "misnamed", "failures")]
    within = latency["deploys"]["p99"] <= latency["calm"]["p99"] + 100
    return bool(figures == [0, 0, [], []] and calm["doubled"] == calm["missing"] == 0 and within)


def main() -> int:
    arguments_ = arguments(__doc__, "three deployments, a roll-back and a spoiled bundle", pieces=2000, rate=12.0)
    options = Options(arguments_.log, arguments_.pieces, arguments_.rate, arguments_.folder, {})
    report = run(options, SHORT if arguments_.short else FULL)
    print(table(report))
    if arguments_.out:
        arguments_.out.write_text(json.dumps(report, indent=1))
    return 0 if is_passed(report) else 1


if __name__ == "__main__":
    raise SystemExit(main())
