"""Finds the highest rate at which a service keeps up, on this machine, with every process's processor time counted.

    python -m tests.benchmarks.throughput --log kafka --policy routed --seconds 60 --rates 25,50,75,100
    python -m tests.benchmarks.throughput --log embedded --compare 50

The line is synthetic, and each station is as fast as its windows of sound allow: 4 pieces a second.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.setting import ROOT, Setting, broker
from tests.benchmarks.trial import Trial, run_trial

HEAD = (
    "| policy | offered/s | achieved/s | keeps up | p50 ms | p95 ms | p99 ms | CPU ms per piece | RSS MiB | REVIEW "
    "| experts run | skipped | lag growth s | max lag s | missing | doubled |\n" + "|---" * 16 + "|"
)


class Bench:
    """Runs trials one after another, each on a separate log."""

    def __init__(self, folder: Path, bundle: Path, bootstrap: str, broker_pid: int | None) -> None:
        self._folder, self._bootstrap, self._broker_pid = folder, bootstrap, broker_pid
        self._bundles = {"routed": bundle.resolve(), "dense": _dense(bundle, folder / "dense")}
        self._count = 0

    def run(self, policy: str, rate: float, seconds: float) -> Trial:
        self._count += 1
        recipe = (ROOT / "deploy/recipes/demo.toml").read_text()
        recipe = recipe.replace('"../bundles/demo"', json.dumps(str(self._bundles[policy])))
        setting = Setting.create(self._folder / f"trial-{self._count}", self._bootstrap, recipe)
        trial = run_trial(setting, policy, rate, seconds, self._broker_pid)
        print(row(trial), flush=True)
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
    latency = " | ".join(f"{value:.0f}" for value in trial.latency_ms)
    return (
        f"| {trial.policy} | {trial.offered:g} | {trial.achieved:.1f} | {'yes' if trial.keeps_up else 'no'} "
        f"| {latency} | {cpu}; all {sum(trial.cpu_ms.values()):.1f} | {trial.rss_mib:.0f} | {trial.review:.1%} "
        f"| {trial.experts_run} | {trial.experts_skipped} | {trial.growth_s:+.2f} | {trial.max_lag_s:.2f} "
        f"| {trial.missing} | {trial.doubled} |"
    )


def find_limit(bench: Bench, policy: str, rates: list[float], seconds: float) -> list[Trial]:
    """Raises the rate until the service no longer keeps up."""
    trials = []
    for rate in rates:
        trials.append(bench.run(policy, rate, seconds))
        if not trials[-1].keeps_up:
            break
    best = max((trial.offered for trial in trials if trial.keeps_up), default=0.0)
    print(f"{policy}: lag does not grow over {seconds:g} s up to {best:g} pieces/s offered")
    return trials


def compare(bench: Bench, rate: float, seconds: float) -> list[Trial]:
    """Routed, dense, routed, dense: drift of the machine falls on both."""
    trials = [bench.run(policy, rate, seconds) for policy in ("routed", "dense") * 2]
    spent = {policy: [t.cpu_ms["service"] for t in trials if t.policy == policy] for policy in ("routed", "dense")}
    ratio = sum(spent["routed"]) / sum(spent["dense"])
    print(f"service CPU per piece, routed / dense: {ratio:.3f} ({spent})")
    return trials


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
    parser.add_argument("--rates", default="25,50,75,100,125,150")
    parser.add_argument("--compare", type=float, metavar="RATE", help="routed and dense in turn at this rate")
    parser.add_argument("--bundle", type=Path, default=ROOT / "deploy/bundles/demo")
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="throughput"))
    folder.mkdir(parents=True, exist_ok=True)
    with log_of(arguments.log, folder) as (bootstrap, pid):
        bench = Bench(folder, arguments.bundle, bootstrap, pid)
        print(f"log: {arguments.log}\n{HEAD}", flush=True)
        if arguments.compare:
            trials = compare(bench, arguments.compare, arguments.seconds)
        else:
            trials = find_limit(
                bench, arguments.policy, [float(rate) for rate in arguments.rates.split(",")], arguments.seconds
            )
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(trial) for trial in trials], indent=1))
    if arguments.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
