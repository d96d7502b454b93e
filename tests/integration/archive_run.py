"""Kills archivers while a line publishes verdicts: every verdict is stored once, and the archive equals the log.

    python -m tests.integration.archive_run --pieces 2000 --kills 30

Runs on both logs and both databases, with one archiver and with two on one database. Each archiver kills itself with
SIGKILL at a point drawn by a seed: in a statement, before a commit, behind a commit, or at any moment.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from inspector.archive.compare import Difference
from inspector.archive.database import Database
from inspector.archive.rebuild import verify
from inspector.archive.schema import VERDICTS
from inspector.verdicts.follow import StoreError
from inspector.verdicts.records import verdict_output
from streams.log import Log
from streams.records import Shard, Topics
from tests.inspector.archive.parts import make_verdict
from tests.integration.archiver import POINTS, open_log
from tests.integration.kafka_line import PREFIX, KafkaLine
from tests.servers.postgres import running_postgres

ROOT = Path(__file__).parents[2]
AT_ANY_MOMENT = "at any moment"
FLUSH, PAUSE_S = 5, 0.02
WAIT_S = 120.0


@dataclass(frozen=True)
class Plan:
    log: str
    line: str
    database: str
    pieces: int
    kills: int
    archivers: int = 1
    seed: int = 7


@dataclass
class Outcome:
    stored: int = 0
    distinct: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    differences: int = 0
    seconds: float = 0.0

    def is_exact(self, plan: Plan) -> bool:
        return (self.stored, self.distinct, self.differences) == (plan.pieces, plan.pieces, 0)


def run(plan: Plan) -> Outcome:
    draw, begin_s, outcome = random.Random(plan.seed), time.monotonic(), Outcome()
    with closing(open_log(plan.log)) as log, closing(Database(plan.database)) as database:
        published = 0
        for number in range(plan.kills):
            until = plan.pieces * (number + 1) // plan.kills
            point = _kill_while_publishing(plan, log, range(published, until), draw)
            outcome.kills[point] = outcome.kills.get(point, 0) + 1
            published = until
        with _archivers(plan, [()] * plan.archivers):
            _wait(database, plan.pieces)
        outcome.stored, outcome.distinct = _counts(database)
        outcome.differences = len(_differences(log, database))
    outcome.seconds = round(time.monotonic() - begin_s, 1)
    return outcome


def _kill_while_publishing(plan: Plan, log: Log, numbers: range, draw: random.Random) -> str:
    """One archiver of several is told to die, the others are killed when all is published. Returns where it died."""
    point = draw.choice([*POINTS, AT_ANY_MOMENT])
    dying = () if point == AT_ANY_MOMENT else ("--die", point, "--after", str(draw.randrange(4)))
    with _archivers(plan, [dying, *[()] * (plan.archivers - 1)]) as processes:
        publish(log, Topics(_prefix(plan), plan.line), numbers)
        with suppress(subprocess.TimeoutExpired):
            processes[0].wait(5.0 if dying else draw.uniform(0.0, 0.5))
        if processes[0].poll() is None:
            point = AT_ANY_MOMENT
        for process in processes:
            process.kill()
    return point


@contextmanager
def _archivers(plan: Plan, arguments: list[tuple[str, ...]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "tests.integration.archiver", "--log", plan.log, "--database", plan.database]
    processes = [subprocess.Popen([*command, *each], cwd=ROOT, stdout=subprocess.PIPE) for each in arguments]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it follows from now on
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.communicate(timeout=60)


def publish(log: Log, topics: Topics, numbers: range) -> None:
    """In the partitions by turns, a few at a time."""
    with closing(log.publisher()) as publisher:
        for start in range(numbers.start, numbers.stop, FLUSH):
            some = range(start, min(start + FLUSH, numbers.stop))
            shards = [Shard(topics.line, number % 2 if topics.prefix == PREFIX else 0) for number in some]
            verdicts = [make_verdict(number, topics.line) for number in some]
            outputs = [verdict_output(topics, *each) for each in zip(shards, verdicts, strict=True)]
            publisher.publish(outputs)
            publisher.flush()
            time.sleep(PAUSE_S)


def _prefix(plan: Plan) -> str:
    return PREFIX if plan.log.startswith("kafka") else "t"


def _wait(database: Database, pieces: int) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        if _counts(database)[0] >= pieces:
            time.sleep(0.5)  # for doubled ones
            return
        time.sleep(0.1)


def _counts(database: Database) -> tuple[int, int]:
    query = select(func.count(), func.count(func.distinct(VERDICTS.c.piece_id)))
    try:
        with database.read() as connection:
            stored, distinct = connection.execute(query).one()
    except StoreError:  # no table yet
        return 0, 0
    return stored, distinct


def _differences(log: Log, database: Database) -> list[Difference]:
    differences: list[Difference] = []
    verify(log, database, differences.append)
    return differences


@contextmanager
def _kafka() -> Iterator[str]:
    from tests.integration.proof_line import broker_in

    with tempfile.TemporaryDirectory() as folder, broker_in(Path(folder)) as (bootstrap, _):
        yield bootstrap


def _plans(options: argparse.Namespace, folder: Path, bootstrap: str, new_postgres: Iterator[str]) -> Iterator[Plan]:
    for archivers in (1, 2):
        for log in options.logs:
            for kind in options.databases:
                name = f"{log}-{kind}-{archivers}"
                address, line = f"embedded:{folder / name}.log", "a"
                if log == "kafka":
                    kafka_line = KafkaLine.named(bootstrap, name)
                    kafka_line.create()
                    address, line = f"kafka:{bootstrap}:{kafka_line.name}", kafka_line.name
                url = next(new_postgres) if kind == "postgresql" else f"sqlite:///{folder / name}.sqlite"
                yield Plan(address, line, url, options.pieces, options.kills, archivers, options.seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--logs", nargs="+", default=["embedded", "kafka"])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    options = parser.parse_args()
    is_exact = True
    with tempfile.TemporaryDirectory() as folder, running_postgres() as server, _kafka() as bootstrap:
        databases = iter(server.create_database, "")
        for plan in _plans(options, Path(folder), bootstrap, databases):
            outcome = run(plan)
            is_exact = is_exact and outcome.is_exact(plan)
            kinds = {"log": plan.log.partition(":")[0], "database": plan.database.partition(":")[0]}
            print(json.dumps({**kinds, "archivers": plan.archivers, **asdict(outcome)}), flush=True)
    sys.exit(0 if is_exact else 1)


if __name__ == "__main__":
    main()
