"""Runs the service and its peers through the same pieces, one after another, and prints the tables.

    python -m tests.benchmarks.rivals                     # everything: about an hour and a half
    python -m tests.benchmarks.rivals --quick             # everything, briefly: about five minutes
    python -m tests.benchmarks.rivals --only loop --only inspector --parts rates --rates 100,200,300

Peers run in a virtual environment that this command makes in the user's cache folder; `--python` names another
interpreter that has the packages of requirements.txt beside this file.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.publisher import POOL
from tests.benchmarks.rivals import table
from tests.benchmarks.rivals.contestants import REQUESTS, STREAMS, names
from tests.benchmarks.rivals.environment import cache_folder, interpreter
from tests.benchmarks.rivals.expected import decisions_of, pool, requests_of, verdicts_of
from tests.benchmarks.rivals.inspecting import Answered, RequestBench
from tests.benchmarks.rivals.kills import Killed
from tests.benchmarks.rivals.steady import Steady
from tests.benchmarks.rivals.streams import StreamBench
from tests.benchmarks.setting import broker
from tests.benchmarks.trial import WARM_UP_S

PARTS = ("rates", "kills", "requests")


@dataclass(frozen=True)
class Scope:
    """How much is measured."""

    rates: Sequence[float]
    seconds: float
    warm_up_s: float
    kills: int
    connections: Sequence[int]
    request_s: float
    only: Sequence[str]
    parts: Sequence[str]

    def takes(self, part: str, name: str) -> bool:
        return part in self.parts and (not self.only or name in self.only)


@dataclass
class Figures:
    steady: list[Steady] = field(default_factory=list)
    killed: list[Killed] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)


QUICK_NAMES = ("inspector", "loop", "quix", "fastapi", "litserve", "bentoml")


def scope_of(options: argparse.Namespace) -> Scope:
    quick = options.quick
    return Scope(
        rates=_floats(options.rates or ("40" if quick else "50,100,150,200,250,300,400,500")),
        seconds=options.seconds or (14.0 if quick else 60.0),
        warm_up_s=4.0 if quick else WARM_UP_S,
        kills=options.kills if options.kills is not None else (1 if quick else 10),
        connections=[int(number) for number in _floats(options.connections or ("8" if quick else "1,4,8"))],
        request_s=4.0 if quick else 20.0,
        only=options.only or (QUICK_NAMES if quick else ()),
        parts=options.parts.split(","),
    )


def _floats(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def run_streams(bench: StreamBench, scope: Scope, figures: Figures) -> None:
    chosen = [each for each in STREAMS if scope.takes("rates", each.name)]
    _title("Growing rates; latency beyond the piece's window", table.STEADY_HEAD if chosen else "")
    for contestant in chosen:
        for result in bench.limit(contestant, scope.rates, scope.seconds):
            figures.steady.append(result)
            print(table.steady_row(result), flush=True)
    _lines(table.reasons(table.highest(figures.steady), "pieces/s without growing lag"))
    _lines(table.cheaper(figures.steady))
    chosen = [each for each in STREAMS if scope.takes("kills", each.name)]
    _title("Killed while pieces arrive", table.KILLED_HEAD if chosen and scope.kills else "")
    for contestant in chosen if scope.kills else ():
        killed = bench.kills(contestant, scope.kills)
        figures.killed.append(killed)
        print(table.killed_row(killed), flush=True)


def run_requests(bench: RequestBench, scope: Scope, figures: Figures) -> None:
    chosen = [each for each in REQUESTS if scope.takes("requests", each.name)]
    _title("Requests: as fast as they are answered", table.ANSWERED_HEAD if chosen else "")
    for contestant in chosen:
        for result in bench.run(contestant, scope.connections, scope.request_s):
            figures.answered.append(result)
            print(table.answered_row(result), flush=True)
    for max_batch in sorted({each.max_batch for each in chosen}):
        rates = table.fastest(figures.answered, max_batch)
        _lines(table.reasons(rates, f"requests/s at a batch of {max_batch}"))


def _title(title: str, head: str) -> None:
    if head:
        print(f"\n## {title}\n\n{head}", flush=True)


def _lines(lines: Sequence[str]) -> None:
    if lines:
        print("\n" + "\n".join(lines), flush=True)


def settings_text() -> str:
    """Every contestant with its guarantee and settings."""
    streams = [f"- {each.name} ({each.guarantee}): {each.settings}" for each in STREAMS]
    return "\n".join([*streams, *(f"- {each.name} (requests): {each.settings}" for each in REQUESTS)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one rate, one kill, one number of connections")
    parser.add_argument("--only", action="append", choices=names(), help="this contestant; may be given several times")
    parser.add_argument("--parts", default=",".join(PARTS), help="of rates, kills, requests")
    parser.add_argument("--rates", help="pieces a second, in turn until the lag grows")
    parser.add_argument("--seconds", type=float, help="at each rate")
    parser.add_argument("--kills", type=int, help="SIGKILLs in one run, which takes 12 s for each")
    parser.add_argument("--connections", help="of the requests, in turn")
    parser.add_argument("--python", type=Path, help="interpreter that has the peers' packages")
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it started ends with it
    options = parse()
    scope = scope_of(options)
    python = options.python or interpreter(cache_folder())
    folder = options.folder or Path(tempfile.mkdtemp(prefix="rivals"))
    folder.mkdir(parents=True, exist_ok=True)
    pieces = pool(POOL)
    decisions, figures = decisions_of(verdicts_of(pieces)), Figures()
    print(settings_text(), flush=True)
    if {"rates", "kills"} & set(scope.parts) and any(scope.takes(part, s.name) for part in PARTS for s in STREAMS):
        with broker(folder / "kafka") as (bootstrap, pid):
            run_streams(StreamBench(folder, bootstrap, pid, python, decisions, scope.warm_up_s), scope, figures)
    if "requests" in scope.parts:
        bodies = [request.SerializeToString() for request in requests_of(pieces)]
        run_requests(RequestBench(folder, python, bodies, decisions), scope, figures)
    if options.out:
        options.out.write_text(json.dumps(asdict(figures), indent=1))
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
