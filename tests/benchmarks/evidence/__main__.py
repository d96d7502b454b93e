"""Prints the evidence for the product's claims, table by table, and writes it with plots and into model cards.

    python -m tests.benchmarks.evidence --maker MAKE_BENCHMARKS.PY --weights NAME=FILE [--quick] [--all] [--only TABLE]

MAKER builds the real sets (OUT --seed N --only SET); without it only simulated lines are measured.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.evidence import (
    accuracy,
    certificates,
    cold_start,
    consistency,
    continual,
    disagreement,
    distillation,
    explanations,
    frontier,
    lora,
    missing,
    small,
)
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.cards import write_cards
from tests.benchmarks.evidence.page import keep_table, kept_tables, write_page
from tests.benchmarks.evidence.table import Table
from tests.benchmarks.evidence.workshop import NUM_PROCESSES, Workshop

ROOT = Path(__file__).resolve().parents[3]

Run = Callable[[Bench], Table]
TABLES: Mapping[str, Run] = {
    "accuracy": accuracy.run,
    "disagreement": disagreement.run,
    "frontier": frontier.run,
    "cold_start": cold_start.run,
    "missing": missing.run,
    "certificates": certificates.run,
    "explanations": explanations.run,
}
FURTHER: Mapping[str, Run] = {
    "lora": lora.run,
    "continual": continual.run,
    "distillation": distillation.run,
    "consistency": consistency.run,
    "small": small.run,
    "small_shrinkage": small.run_other_rule,
}
HOURS = ("small", "small_shrinkage")
"""Tables that take hours: only by name, and with all seeds."""
SEEDS, QUICK_SEEDS = (7, 8, 9, 10, 11), (7,)


def main() -> None:
    arguments = _arguments()
    further = {name: run for name, run in FURTHER.items() if name not in HOURS} if arguments.all else FURTHER
    chosen = {**TABLES, **(further if arguments.all or arguments.only in FURTHER else {})}
    if arguments.only:
        chosen = {arguments.only: chosen[arguments.only]}
    weights = dict(item.split("=", 1) for item in arguments.weights)
    one_seed = arguments.quick or (arguments.only in FURTHER and arguments.only not in HOURS)
    seeds = QUICK_SEEDS if one_seed else SEEDS
    workshop = Workshop(
        arguments.folder, seeds, {name: Path(file).resolve() for name, file in weights.items()}, arguments.maker
    )
    results, started = arguments.folder / "results", _started(arguments.folder)
    if not arguments.only:
        workshop.make_all()
    with ProcessPoolExecutor(NUM_PROCESSES, get_context("spawn")) as pool:
        for name, table in [(name, pool.submit(run, workshop)) for name, run in chosen.items()]:
            keep_table(results / "tables", table.result())
            seconds = time.time() - started
            print(f"\n{table.result().markdown()}\n[{name}: {seconds:.0f} s since the start]", flush=True)
            tables = kept_tables(results / "tables", [*TABLES, *FURTHER])
            write_page(results / "RESULTS.md", results / "plots", tables, seconds)
            if arguments.publish:
                write_page(ROOT / "RESULTS.md", ROOT / "tests" / "benchmarks" / "plots", tables, seconds)
    write_cards(workshop.all_trained(), kept_tables(results / "tables", list(TABLES)), datetime.now(UTC).date())


def _started(folder: Path) -> float:
    """Start time of the first run in this folder; an interrupted run continues."""
    mark = folder / "started"
    if not mark.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return mark.stat().st_mtime


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("run/bench"), help="all data, bundles and results")
    parser.add_argument("--maker", type=Path, default=_path("BENCH_MAKER"), help="or the variable BENCH_MAKER")
    parser.add_argument("--weights", action="append", default=_items("BENCH_WEIGHTS"), help="or BENCH_WEIGHTS")
    parser.add_argument("--quick", action="store_true", help="one benchmark seed instead of five")
    parser.add_argument("--all", action="store_true", help="also adaptation, distillation and consistency")
    parser.add_argument("--publish", action="store_true", help="write RESULTS.md of this checkout as well")
    parser.add_argument("--only", choices=[*TABLES, *FURTHER], help="one table")
    return parser.parse_args()


def _path(variable: str) -> Path | None:
    return Path(os.environ[variable]) if os.environ.get(variable) else None


def _items(variable: str) -> list[str]:
    return os.environ.get(variable, "").split()


if __name__ == "__main__":
    main()
