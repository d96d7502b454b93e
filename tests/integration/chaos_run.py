"""Kills workers and broker under a line at random moments and counts, by a reader of others' making, its verdicts.

    python -m tests.integration.chaos_run --pieces 700 --kills 18 --seed 1 --backlog-s 60

Two workers, five stations over four partitions, records that come twice, late and out of order. For the first
`--backlog-s` seconds nobody judges. Exit code 1 unless every piece has exactly one verdict.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from deploy.kafka.run import Broker
from tests.integration.outside_reader import reader_name
from tests.integration.proof_line import Crew, Progress, ProofLine, broker_in, say
from tests.integration.verdict_count import VerdictCount

FAULTS = ("--duplicate", "0.1", "--jitter", "0.05", "--reorder", "0.1")
PATIENCE_S = 60.0
"""After this time without a verdict, missing verdicts are lost: the session timeout is 10 s."""
SETTLED_S = 3.0
"""All verdicts there and none more for this long: one too many would have come by now."""


@dataclass(frozen=True)
class ChaosPlan:
    pieces: int = 700
    rate: float = 10.0
    kills: int = 18
    seed: int = 1
    backlog_s: float = 60.0
    away_s: float = 20.0
    """The broker is killed once, and is away for this long; 0: never."""
    away_after_s: float = 5.0
    """Counted from the first shard that a worker owns: while the backlog is judged."""
    workers: int = 2
    stations: int = 5


@dataclass
class Killer:
    """Kills each worker at random moments: mostly up to 4 s after it owns a shard, sometimes while it starts."""

    crew: Crew
    left: int
    random: random.Random
    _since_s: dict[str, float] = field(default_factory=dict)
    _wait: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """Seconds to wait, and whether they count from the first shard."""

    def tick(self) -> None:
        for name in self.crew.names:
            if self.left == 0:
                return
            wait_s, owning = self._wait.setdefault(name, self._draw())
            if owning and not self.crew.owns(name):
                continue
            since_s = self._since_s.setdefault(name, time.monotonic())
            if time.monotonic() - since_s > wait_s:
                self.crew.kill(name)
                self.left -= 1
                say(f"killed {name}; {self.left} kills to come")
                del self._since_s[name], self._wait[name]

    def _draw(self) -> tuple[float, bool]:
        return self.random.uniform(0.0, 4.0), self.random.random() < 0.75


@dataclass
class Outage:
    """Kills the broker once and brings it back."""

    plan: ChaosPlan
    broker: Broker
    crew: Crew
    progress: Progress
    _owned_s: float | None = None
    _killed_s: float | None = None
    is_over: bool = False

    @property
    def is_on(self) -> bool:
        return self._killed_s is not None and not self.is_over

    def tick(self) -> None:
        now_s = time.monotonic()
        if self._owned_s is None and any(map(self.crew.owns, self.crew.names)):
            self._owned_s = now_s
        if self.plan.away_s == 0:
            self.is_over = True
        elif self._killed_s is None and self._owned_s is not None and now_s - self._owned_s > self.plan.away_after_s:
            self.broker.kill()
            self._killed_s = now_s
            say(f"killed the broker for {self.plan.away_s:g} s")
        elif self.is_on and now_s - (self._killed_s or 0.0) > self.plan.away_s:
            self.broker.start()
            self.is_over = True
            self.progress.wake()
            say("the broker is back")


def run(plan: ChaosPlan, line: ProofLine, broker: Broker) -> tuple[VerdictCount, Crew]:
    """Publishes, kills, and waits until every piece has its verdict or nothing has come for a minute."""
    options = ("--stations", str(plan.stations), "--seed", str(plan.seed), *FAULTS)
    publisher = line.simulate(plan.pieces, plan.rate, *options)
    crew, progress = Crew(line, plan.workers), Progress(line)
    try:
        say(f"{plan.pieces} pieces at {plan.rate:g}/s; nobody judges for {plan.backlog_s:g} s")
        time.sleep(plan.backlog_s)
        crew.start()
        killer = Killer(crew, plan.kills, random.Random(plan.seed))
        _watch(publisher, killer, Outage(plan, broker, crew, progress), plan)
        return line.count(), crew
    finally:
        crew.stop()
        publisher.kill()
        publisher.wait()
        progress.close()


def _watch(publisher: "subprocess.Popen[bytes]", killer: Killer, outage: Outage, plan: ChaosPlan) -> None:
    said_s = 0.0
    progress = outage.progress
    progress.wake()
    while True:
        for actor in (outage.crew, killer, outage):
            actor.tick()
        if not outage.is_on:
            progress.look()
        is_over = outage.is_over and killer.left == 0 and publisher.poll() is not None
        if is_over and progress.end >= plan.pieces and progress.idle_s > SETTLED_S and _is_complete(outage.crew):
            return
        if progress.idle_s > PATIENCE_S and not outage.is_on:
            say(f"no verdict for {PATIENCE_S:g} s")
            return
        if time.monotonic() - said_s > 10:
            said_s = time.monotonic()
            say(f"verdict topic at {progress.end}, {killer.left} kills to come")
        time.sleep(0.1)


def _is_complete(crew: Crew) -> bool:
    return not crew.line.count().missing


def table(plan: ChaosPlan, counted: VerdictCount, crew: Crew, uncommitted: VerdictCount) -> str:
    rows = [
        ("pieces with a verdict", counted.counted),
        ("pieces with two verdicts", str(len(counted.doubled))),
        ("pieces without", str(len(counted.missing))),
        ("dead letters", counted.letters_by_reason),
        ("records with two dead letters", str(counted.doubled_letters)),
        (
            "verdict records by read_uncommitted",
            f"{uncommitted.verdicts} with the aborted ones, of {uncommitted.counted} pieces",
        ),
        ("longest pause of a station", f"{counted.longest_pause_s:.1f} s"),
        ("SIGKILLs of workers", f"{crew.kills} of {plan.kills}; ended by themselves: {crew.ended}"),
        ("broker away", f"{plan.away_s:g} s"),
        ("backlog at the start", f"{plan.backlog_s:g} s"),
        ("decisions", ", ".join(f"{number} {name}" for name, number in counted.rulings.items())),
        ("reader", reader_name()),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> int:
    usual = ChaosPlan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=usual.pieces)
    parser.add_argument("--rate", type=float, default=usual.rate)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--backlog-s", type=float, default=usual.backlog_s)
    parser.add_argument("--away-s", type=float, default=usual.away_s)
    parser.add_argument("--workers", type=int, default=usual.workers)
    parser.add_argument("--stations", type=int, default=usual.stations)
    parser.add_argument("--folder", type=Path, help="keep configuration and logs here")
    arguments = vars(parser.parse_args())
    folder = arguments.pop("folder") or Path(tempfile.mkdtemp(prefix="chaos-"))
    plan = ChaosPlan(**arguments)
    with broker_in(folder / "kafka") as (bootstrap, broker):
        line = ProofLine.create(folder / "chaos", bootstrap)
        counted, crew = run(plan, line, broker)
        print(table(plan, counted, crew, line.count("read_uncommitted")))
    say(f"missing: {json.dumps(counted.missing[:20])}, doubled: {json.dumps(counted.doubled[:20])}; see {folder}")
    return 0 if counted.is_exact else 1


if __name__ == "__main__":
    raise SystemExit(main())
