"""Lets workers judge a backlog, kills them in between, and counts by a reader of others' making what came out.

    python -m tests.integration.backlog_soak --partitions 1,4,12 --workers 1,2 --backlog-s 60,600
    python -m tests.integration.backlog_soak --partitions 4 --workers 2 --backlog-s 3600 --rule review

The backlog is a line at `--rate` that ends now, published as fast as the log takes it, with event times of then.
The log stamps its own time, so by that no piece is old: with the rule `judge` all are judged however long they waited,
with `review` those that waited in the log for more than 30 s get REVIEW / BACKLOG. Both are verdicts.
Exit code 1 unless every piece of every combination has exactly one.
"""

import argparse
import json
import random
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from tests.integration.outside_reader import reader_name
from tests.integration.proof_line import Crew, Progress, ProofLine, broker_in, say
from tests.integration.verdict_count import VerdictCount

CHUNK_S, MAX_DELAY_S = 2.0, 4.0
"""Long chunks cost the publisher less; the join waits for the end of one, and a little more."""
START_S = 60.0
HEAD = (
    "| backlog s | partitions | workers | kills | pieces | verdicts | doubled | missing | seconds | verdicts/s "
    "| published in s | longest pause s |\n" + "|---" * 12 + "|"
)


@dataclass(frozen=True)
class SoakPlan:
    """One combination."""

    backlog_s: float
    partitions: int
    workers: int
    rate: float = 10.0
    stations: int = 24
    """Their keys reach 10 of 12 partitions; those of 12 stations reach 7."""
    kills: int = 3
    seed: int = 1
    rule: str = "judge"
    patience_s: float = 60.0
    """After this time without a verdict, missing verdicts are lost."""

    settled_s: float = 3.0
    """With all verdicts there and none more for this long, one too many would have come."""

    @property
    def pieces(self) -> int:
        return round(self.backlog_s * self.rate)

    @property
    def name(self) -> str:
        return f"soak-{self.backlog_s:g}s-{self.partitions}p-{self.workers}w".replace(".", "-")


@dataclass(frozen=True)
class SoakRow:
    """What became of one combination."""

    plan: SoakPlan
    counted: VerdictCount
    kills: int
    published_s: float

    @property
    def cells(self) -> tuple[str, ...]:
        plan, counted = self.plan, self.counted
        per_s = counted.verdicts / counted.seconds if counted.seconds else 0.0
        numbers = (plan.partitions, plan.workers, self.kills, counted.pieces, counted.verdicts)
        wrong = (len(counted.doubled), len(counted.missing))
        times = (counted.seconds, per_s, self.published_s, counted.longest_pause_s)
        return (f"{plan.backlog_s:g}", *map(str, (*numbers, *wrong)), *(f"{value:.1f}" for value in times))

    def __str__(self) -> str:
        return f"| {' | '.join(self.cells)} |"


def soak(plan: SoakPlan, folder: Path, bootstrap: str) -> SoakRow:
    """Publishes one backlog on a line of its own and has it judged."""
    line = ProofLine.create(
        folder / plan.name, bootstrap, partitions=plan.partitions, max_delay_s=MAX_DELAY_S, backlog=plan.rule
    )
    begin_s = time.monotonic()
    line.publish_backlog(plan.pieces, plan.rate, plan.stations, CHUNK_S)
    published_s = time.monotonic() - begin_s
    say(f"{plan.name}: {plan.pieces} pieces published in {published_s:.0f} s")
    crew = Crew(line, plan.workers)
    crew.start()
    try:
        with closing(Progress(line)) as progress:
            _drain(plan, crew, progress)
        return SoakRow(plan, line.count(), crew.kills, published_s)
    finally:
        crew.stop()


def _drain(plan: SoakPlan, crew: Crew, progress: Progress) -> None:
    """Until all is judged or nothing comes any more; kills a worker whenever the topic has grown to the next mark."""
    chance = random.Random(plan.seed)
    marks = sorted(chance.uniform(0.05, 0.9) * plan.pieces for _ in range(plan.kills))
    begin_s = said_s = time.monotonic()
    while progress.idle_s < plan.patience_s:
        crew.tick()
        progress.look()
        if time.monotonic() - begin_s < START_S and not any(map(crew.owns, crew.names)):
            progress.wake()  # a busy machine starts workers slowly
        if marks and progress.end >= marks[0]:
            del marks[0]
            crew.kill(chance.choice(crew.names))
        if progress.end >= plan.pieces and progress.idle_s > plan.settled_s and not crew.line.count().missing:
            return
        if time.monotonic() - said_s > 15:
            said_s = time.monotonic()
            say(f"{plan.name}: verdict topic at {progress.end} for {plan.pieces} pieces, {crew.kills} kills")
        time.sleep(0.2)
    say(f"{plan.name}: no verdict for {plan.patience_s:g} s")


def main() -> int:
    usual = SoakPlan(0, 0, 0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", default="1,4,12")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--backlog-s", default="60,600")
    parser.add_argument("--rate", type=float, default=usual.rate, help="pieces per second of the line")
    parser.add_argument("--stations", type=int, default=usual.stations)
    parser.add_argument("--kills", type=int, default=usual.kills, help="for each combination")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--rule", choices=("judge", "review"), default=usual.rule)
    parser.add_argument("--patience-s", type=float, default=usual.patience_s)
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    parser.add_argument("--out", type=Path, help="write the table, and next to it the figures as JSON")
    arguments = vars(parser.parse_args())
    folder, out = arguments.pop("folder") or Path(tempfile.mkdtemp(prefix="soak-")), arguments.pop("out")
    lists = [list(map(float, arguments.pop(name).split(","))) for name in ("backlog_s", "partitions", "workers")]
    plans = [SoakPlan(backlog_s, int(many), int(crew), **arguments) for backlog_s, many, crew in product(*lists)]
    rows = []
    with broker_in(folder / "kafka") as (bootstrap, _):
        print(HEAD, flush=True)
        for plan in plans:
            rows.append(soak(plan, folder, bootstrap))
            print(rows[-1], flush=True)
    say(f"rule {arguments['rule']}; counted by {reader_name()}; logs in {folder}")
    if out:
        out.write_text("\n".join([HEAD, *map(str, rows), ""]))
        out.with_suffix(".json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0 if all(row.counted.is_exact for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
