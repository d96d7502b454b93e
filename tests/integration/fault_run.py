"""Runs a line under faults and counts its verdicts with an independent reader: exactly one per inspection.

    python -m tests.integration.fault_run --log kafka --pieces 1000 --rate 8 --out run/faults.json

The same line is run first undisturbed; decisions, modalities and bundle of every piece must be equal. Workers are
processes of the product that kill or stop themselves at named points (see `line_worker`).
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.kafka.run import Broker
from tests.integration.fault_report import Read, compare, count_aborts, gaps, open_at, read_verdicts
from tests.integration.faults import ROOT, WorkerProcess, wait_for
from tests.integration.proof_line import broker_in

Plan = Sequence[tuple[str, int, str]]
"""Point, records read before it counts, signal."""
FULL: dict[str, Plan] = {
    "worker-1": [
        ("after poll", 150, "KILL"),
        ("after produce", 200, "KILL"),
        ("before begin", 150, "KILL"),
        ("after send_offsets", 250, "KILL"),
        ("before commit", 200, "KILL"),
        ("after produce", 300, "KILL"),
    ],
    "worker-2": [
        ("before commit", 250, "KILL"),
        ("after send_offsets", 250, "KILL"),
        ("after poll", 200, "KILL"),
        ("before commit", 300, "STOP"),
    ],
}
EMBEDDED: dict[str, Plan] = {
    "worker-1": [*FULL["worker-1"], ("before begin", 200, "STOP")],
    "worker-2": [("after poll", 100, "KILL"), ("before commit", 100, "KILL"), ("after send_offsets", 100, "KILL")],
}
"""One worker owns the line; the other takes over when the lease of the stopped one has run out."""
SHORT: dict[str, Plan] = {
    "worker-1": [("after poll", 60, "KILL"), ("after produce", 80, "KILL")],
    "worker-2": [("after send_offsets", 60, "KILL"), ("before commit", 80, "KILL")],
}
STOPPED_S = 14.0
"""Longer than the session timeout of 10 s: the group gives the stations of a stopped worker away."""
AWAY_S = 15.0
PUBLISHER_START_S = 2.0


@dataclass(frozen=True)
class Options:
    log: str
    pieces: int
    rate: float
    folder: Path
    plans: dict[str, Plan]
    leave_at: float = 0.6
    restart_at: float = 0.4
    """Shares of the run after which worker-2 leaves, and the broker restarts."""


@dataclass
class Line:
    """One line in a separate log: configuration, publisher, workers."""

    options: Options
    prefix: str
    bootstrap: str
    notes: Path = field(init=False)
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        folder = self.options.folder / self.prefix
        folder.mkdir(parents=True)
        self.notes, self.config = folder / "notes.jsonl", folder / "service.toml"
        recipe = (ROOT / "deploy/recipes/demo.toml").read_text()
        recipe = recipe.replace('"../bundles/demo"', f'"{ROOT / "deploy/bundles/demo"}"')
        (folder / "recipe.toml").write_text(recipe.replace("stale_after_s = 60.0", 'backlog = "judge"'))
        log = f'kind = "kafka"\nbootstrap_servers = ["{self.bootstrap}"]\ngroup = "{self.prefix}"'
        if self.options.log == "embedded":
            log = f'kind = "embedded"\npath = "{folder / "log.sqlite"}"'
        self.config.write_text(
            f'prefix = "{self.prefix}"\nlines = ["line-1"]\nrecipes = ["recipe.toml"]\n[log]\n{log}\n'
            "[join]\nmax_delay_s = 5.0\n[worker]\nscouts_only_after_s = 600\nreview_after_s = 600\n"
        )

    def create(self) -> None:
        if self.options.log == "kafka":
            _inspector("topics", "create", "--config", str(self.config), "--partitions", "2").wait()

    def publish(self, pass_number: int = 0) -> "subprocess.Popen[bytes]":
        options = self.options
        words = ["--pieces", str(options.pieces), "--rate", str(options.rate), "--stations", "4", "--seed", "11"]
        truth = ["--truth", str(self.config.with_name("truth.jsonl"))]
        words += ["--pass-number", str(pass_number), "--chunk-s", "0.5"]
        return _inspector("simulate", "--config", str(self.config), *words, *truth)

    def worker(self, name: str, fault: tuple[str, int, str] | None = None) -> WorkerProcess:
        point, after, kind = fault or ("", 0, "KILL")
        environment = {"CONFIG": str(self.config), "WORKER": name, "NOTES": str(self.notes), "OMP_NUM_THREADS": "1"}
        faults = {"FAULT_POINT": point, "FAULT_AFTER": str(after), "FAULT_SIGNAL": kind}
        log = self.config.with_name(f"{name}.log")
        return WorkerProcess("tests.integration.line_worker", {**environment, **faults}, log)

    def is_owned(self) -> bool:
        """Whether a worker has taken a shard, by the workers' logs."""
        return any("is assigned to this worker" in log.read_text() for log in self.config.parent.glob("worker-*.log"))

    def read(self) -> list[Read]:
        return read_verdicts(self.config, self.prefix, self.bootstrap)


@dataclass
class Supervisor:
    """Restarts killed workers under their names, wakes stopped ones, and lets one leave and come back."""

    line: Line
    name: str
    plan: list[tuple[str, int, str]]
    process: WorkerProcess | None = None
    wake_s: float | None = None
    back_s: float | None = None

    def start(self) -> None:
        self.process = self.line.worker(self.name, self.plan.pop(0) if self.plan else None).__enter__()

    def tick(self) -> None:
        now_s = time.monotonic()
        if self.process is None:
            if self.back_s is not None and now_s > self.back_s:
                self.start()
            return
        if self.wake_s is not None and now_s > self.wake_s:
            self.process.signal(signal.SIGCONT)
            self.wake_s = None
        elif self.wake_s is None and self.process.is_stopped:
            self.wake_s = now_s + STOPPED_S
        if self.process.has_ended:
            self.stop()
            self.start()

    def leave(self) -> None:
        """An orderly stop, for a while."""
        if self.process is not None and self.wake_s is None:
            self.process.signal(signal.SIGTERM)
            self.process.wait(20)
            self.stop()
            self.back_s = time.monotonic() + AWAY_S

    def stop(self) -> None:
        if self.process is not None:
            self.process.__exit__()
            self.process = None


def _inspector(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "inspector", *words], cwd=ROOT, stdout=subprocess.DEVNULL)


@contextmanager
def broker_for(options: Options) -> Iterator[tuple[str, Broker | None]]:
    if options.log == "embedded":
        yield "", None
        return
    with broker_in(options.folder / "kafka") as started:
        yield started


def run_line(line: Line, plans: dict[str, Plan], disturb: Callable[[float, list[Supervisor]], None]) -> list[Read]:
    """Publishes all pieces, keeps the workers going, and reads until every piece has its verdict (or a minute is
    over), and then two seconds more for one too many."""
    line.create()
    supervisors = [Supervisor(line, name, list(plan)) for name, plan in plans.items()]
    for supervisor in supervisors:
        supervisor.start()
    wait_for(line.is_owned, 60, "a worker to own the line")
    publisher, begin, done_s = line.publish(), time.monotonic() + PUBLISHER_START_S, None
    try:
        while done_s is None or time.monotonic() < done_s:
            for supervisor in supervisors:
                supervisor.tick()
            disturb((time.monotonic() - begin) * line.options.rate / line.options.pieces, supervisors)
            if done_s is None and publisher.poll() is not None:
                done_s = time.monotonic() + 60.0
            elif done_s is not None and len({read.piece for read in line.read()}) >= line.options.pieces:
                done_s = min(done_s, time.monotonic() + 2.0)
            time.sleep(0.05 if done_s is None else 0.5)
    finally:
        publisher.kill()
        publisher.wait()
        for supervisor in supervisors:
            supervisor.stop()
    return line.read()


class Disturbance:
    """What happens to the line as a whole, once each, at its share of the run."""

    def __init__(self, options: Options, broker: Broker | None) -> None:
        self._options, self._broker, self.events = options, broker, list[dict[str, object]]()
        self._left = self._restarted = False

    def __call__(self, share: float, supervisors: list[Supervisor]) -> None:
        if not self._restarted and share > self._options.restart_at and self._broker is not None:
            self._restarted = True
            self._note("broker restart")
            self._broker.kill()
            self._broker.start()
        if not self._left and share > self._options.leave_at:
            self._left = True
            self._note("worker-2 leaves")
            supervisors[-1].leave()

    def _note(self, what: str) -> None:
        self.events.append({"at_s": time.time(), "point": what, "signal": ""})


def run(options: Options) -> dict[str, Any]:
    with broker_for(options) as (bootstrap, broker):
        calm = run_line(Line(options, "calm", bootstrap), dict.fromkeys(options.plans, ()), lambda *_: None)
        line, disturbance = Line(options, "faulty", bootstrap), Disturbance(options, broker)
        faulty = run_line(line, options.plans, disturbance)
        aborts = count_aborts(options.folder / "kafka" / "log", "faulty.line-1.verdicts") if broker else 0
    notes = [json.loads(row) for row in line.notes.read_text().splitlines()]
    counts = Counter(read.piece for read in faulty)
    kills = [note for note in notes if note["signal"] == "SIGKILL"]
    return {
        "log": options.log,
        "pieces": options.pieces,
        "verdicts": len(faulty),
        "inspections": len(counts),
        "doubled": sum(count > 1 for count in counts.values()),
        "missing": options.pieces - len(counts),
        "calm_verdicts": len(calm),
        "differing": compare(calm, faulty),
        "faults": len(notes) + len(disturbance.events),
        "aborted_transactions": aborts,
        "open_pieces_at_kills": sum(open_at(faulty, note) for note in kills),
        "gaps": gaps(faulty, sorted([*notes, *disturbance.events], key=lambda note: float(str(note["at_s"])))),
    }


def arguments(about: str | None, short: str, pieces: int, rate: float) -> argparse.Namespace:
    """The words of a command `about` a run on a line; `short` says what its shorter form does."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", choices=("kafka", "embedded"), default="kafka")
    parser.add_argument("--pieces", type=int, default=pieces)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--short", action="store_true", help=short)
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    parser.add_argument("--out", type=Path, help="write the report here")
    given = parser.parse_args()
    given.folder = given.folder or Path(tempfile.mkdtemp(prefix="line"))
    return given


def main() -> int:
    given = arguments(__doc__, "four kills instead of ten and a stop", pieces=1000, rate=8.0)
    full, leave_at = (FULL, 0.6) if given.log == "kafka" else (EMBEDDED, 0.97)
    report = run(Options(given.log, given.pieces, given.rate, given.folder, SHORT if given.short else full, leave_at))
    text = json.dumps(report, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text)
    return 0 if (report["doubled"], report["missing"], report["differing"]) == (0, 0, []) else 1


if __name__ == "__main__":
    raise SystemExit(main())
