"""Finds the highest rate at which a service keeps up, on this machine, with every process's processor time counted.

    python -m tests.benchmarks.throughput --log kafka --policy routed --seconds 60 --rates 100,160,200,250,300,350,400
    python -m tests.benchmarks.throughput --log embedded --compare 50
    python -m tests.benchmarks.throughput --log kafka --rates 100,200 --against ../earlier
    python -m tests.benchmarks.throughput --log kafka --rates 240 --minutes 10

`--against` runs a checkout of an earlier version and this one in turn, twice at each rate, each with a log and a
broker of its own. `--minutes` shows memory and p99 of each minute. `--chunk-s` sets the length of the sensors' chunks.
The line is synthetic, and each station is as fast as its windows of sound allow: 4 pieces a second. What a piece waits
beyond its window of 250 ms has a column.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.setting import ROOT, Setting, broker
from tests.benchmarks.trial import Load, Minute, Trial, run_trial

HEAD = (
    "| policy | offered/s | achieved/s | stations | keeps up | p50 ms | p95 ms | p99 ms | p99 beyond the window "
    "| CPU ms per piece | RSS MiB | REVIEW | experts run | skipped | lag growth s | max lag s | missing | doubled |\n"
    + "|---" * 18
    + "|"
)


class Bench:
    """Runs trials one after another, each on a separate log."""

    def __init__(self, folder: Path, bundle: Path, bootstrap: str, broker_pid: int | None) -> None:
        self._folder, self._bootstrap, self._broker_pid = folder, bootstrap, broker_pid
        self._bundles = {"routed": bundle.resolve(), "dense": _dense(bundle, folder / "dense")}
        self._count = 0

    def run(self, load: Load) -> Trial:
        self._count += 1
        recipe = (ROOT / "deploy/recipes/demo.toml").read_text()
        recipe = recipe.replace('"../bundles/demo"', json.dumps(str(self._bundles[load.policy])))
        for source in ('name = "top"', 'name = "mic"'):  # the pool of pieces is repeated
            recipe = recipe.replace(source, f"{source}\nmay_repeat = true")
        setting = Setting.create(self._folder / f"trial-{self._count}", self._bootstrap, recipe)
        trial = run_trial(setting, load, self._broker_pid)
        print(row(trial), flush=True)
        for number, minute in enumerate(trial.minutes if load.seconds > 120 else (), 1):
            print(f"  minute {number}: {minute.achieved:.1f}/s, p99 {minute.p99_ms:.0f} ms, {minute.rss_mib:.0f} MiB")
        return trial


def _dense(bundle: Path, folder: Path) -> Path:
    """A copy whose policy runs every expert on every piece."""
    shutil.copytree(bundle, folder)
    content = json.loads((folder / "bundle.json").read_text())
    content["policy"]["mode"] = "dense"
    (folder / "bundle.json").write_text(json.dumps(content))
    return folder


def row(trial: Trial) -> str:
    cpu = ", ".join(f"{name} {spent:.1f}" for name, spent in trial.cpu_ms.items())
    latency = " | ".join(f"{value:.0f}" for value in (*trial.latency_ms, trial.latency_ms[2] - trial.window_ms))
    return (
        f"| {trial.policy} | {trial.offered:g} | {trial.achieved:.1f} | {trial.stations} "
        f"| {'yes' if trial.keeps_up else 'no'} | {latency} | {cpu}; all {sum(trial.cpu_ms.values()):.1f} "
        f"| {trial.rss_mib:.0f} | {trial.review:.1%} | {trial.experts_run} | {trial.experts_skipped} "
        f"| {trial.growth_s:+.2f} | {trial.max_lag_s:.2f} | {trial.missing} | {trial.doubled} |"
    )


def find_limit(bench: Bench, loads: Sequence[Load]) -> list[Trial]:
    """Raises the rate until the service no longer keeps up."""
    trials = []
    for load in loads:
        trials.append(bench.run(load))
        if not trials[-1].keeps_up:
            break
    best = max((trial.offered for trial in trials if trial.keeps_up), default=0.0)
    print(f"{loads[0].policy}: lag does not grow over {loads[0].seconds:g} s up to {best:g} pieces/s offered")
    return trials


def compare(bench: Bench, rate: float, seconds: float) -> list[Trial]:
    """Routed, dense, routed, dense: drift of the machine falls on both."""
    trials = [bench.run(Load(policy, rate, seconds)) for policy in ("routed", "dense") * 2]
    spent = {policy: [t.cpu_ms["service"] for t in trials if t.policy == policy] for policy in ("routed", "dense")}
    ratio = sum(spent["routed"]) / sum(spent["dense"])
    print(f"service CPU per piece, routed / dense: {ratio:.3f} ({spent})")
    return trials


def compare_versions(earlier: Path, log: str, loads: Sequence[Load], folder: Path) -> list[Trial]:
    """Earlier, this, earlier, this at each rate: drift of the machine falls on both."""
    trials = []
    for load in loads:
        for number in range(4):
            name, root = ("before", earlier.resolve()) if number % 2 == 0 else ("after", ROOT)
            trial = run_version(root, log, load, folder / f"{name}-{load.rate:g}-{number}.json")
            print(f"{name} {row(trial)}", flush=True)
            trials.append(trial)
    return trials


def run_version(root: Path, log: str, load: Load, out: Path) -> Trial:
    """One rate by the benchmark of a checkout, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.throughput", "--log", log, "--policy", load.policy]
    command += ["--rates", str(load.rate), "--seconds", str(load.seconds), "--out", str(out)]
    if root == ROOT:
        command += ["--chunk-s", str(load.chunk_s)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    (content,) = json.loads(out.read_text())
    content["minutes"] = [Minute(**minute) for minute in content.get("minutes", ())]
    return Trial(**content)


@contextmanager
def log_of(kind: str, folder: Path) -> Iterator[tuple[str, int | None]]:
    if kind == "embedded":
        yield "", None
        return
    with broker(folder / "kafka") as (bootstrap, pid):
        yield bootstrap, pid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", choices=("kafka", "embedded"), default="embedded")
    parser.add_argument("--policy", choices=("routed", "dense"), default="routed")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, help="instead of --seconds")
    parser.add_argument("--rates", default="100,160,200,250,300,350,400")
    parser.add_argument("--chunk-s", type=float, default=0.1, help="length of the sensors' chunks")
    parser.add_argument("--compare", type=float, metavar="RATE", help="routed and dense in turn at this rate")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of an earlier version, in turn")
    parser.add_argument("--bundle", type=Path, default=ROOT / "deploy/bundles/demo")
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    arguments = parser.parse_args()
    seconds = arguments.seconds if arguments.minutes is None else arguments.minutes * 60
    loads = [Load(arguments.policy, float(rate), seconds, arguments.chunk_s) for rate in arguments.rates.split(",")]
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="throughput"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"log: {arguments.log}\n{HEAD}", flush=True)
    if arguments.against:
        trials = compare_versions(arguments.against, arguments.log, loads, folder)
    else:
        with log_of(arguments.log, folder) as (bootstrap, pid):
            bench = Bench(folder, arguments.bundle, bootstrap, pid)
            trials = compare(bench, arguments.compare, seconds) if arguments.compare else find_limit(bench, loads)
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(trial) for trial in trials], indent=1))
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
