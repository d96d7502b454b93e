"""From a running line to a shadow: pieces are reviewed at the desk, exported, trained on, and the bundle is deployed as
a shadow, all by the product's own commands.

    python -m tests.integration.review_to_shadow                # 400 pieces, about ten minutes
    python -m tests.integration.review_to_shadow --pieces 120   # as in the test suite
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.rows import PieceFilter
from inspector.config.service import load_service
from inspector.review.desk import Desk
from inspector.review.settings import ReviewSettings
from inspector.simulation.pieces import LineSettings, truth_of
from tests.inspector.web.running_line import CONFIG, RECIPE, RunningLine
from tests.servers.process import ServerProcess, free_port

WAIT_S = 180
REVIEW = """
[review]
fails = true
pass_share = 1.0
second_share = 0.0
publish_after_s = 0.0
"""
TRAIN = """
name = "reviewed"
version = "1"
policy = "dense"

[[experts]]
type = "image"
name = "top-scout"
modality = "top"
scout = true
height_px = 48
width_px = 48
fitting = { epochs = 2 }

[[experts]]
type = "signal"
name = "mic-scout"
modality = "mic"
scout = true
encoder = "log_mel"
scaling = "none"
fitting = { epochs = 2 }
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out, as the commands said it."""

    num_reviewed: int
    export: dict[str, object]
    deploy: str
    deployments: str


def prove(folder: Path, num_pieces: int) -> Proof:
    """Raises CalledProcessError with the output of the command that failed."""
    with _line(folder) as line:
        verdicts = line.publish(num_pieces)
        num_reviewed = _review(line, folder, len(verdicts))
        out, bundle, config = folder / "reviewed", folder / "bundle", folder / "service.toml"
        export = _run("dataset", "export", "--config", config, "--since", "1d", "--out", out, "--json")
        (folder / "train.toml").write_text(TRAIN)
        _run("train", out / "manifest.jsonl", "--config", folder / "train.toml", "--out", bundle)
        deploy = _run("deploy", bundle, "--config", config, "--shadow", "--reason", "trained on reviewed pieces")
        line.publish(12)
        deployments = _shadow_at_work(config)
    return Proof(num_reviewed, json.loads(export), deploy, deployments)


def _run(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "inspector", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


@contextmanager
def _line(folder: Path) -> Iterator[RunningLine]:
    """The demo's line, which keeps the recordings of all pieces."""
    recipe = RECIPE.read_text().replace("../bundles", str(RECIPE.parents[1] / "bundles"))
    (folder / "demo.toml").write_text(recipe + '\n[keep]\npieces = "all"\n')
    gateway, web = free_port(), free_port()
    config = folder / "service.toml"
    config.write_text(CONFIG.format(recipe=folder / "demo.toml", gateway=gateway, web=web, more=REVIEW))
    command = [sys.executable, "-m", "inspector"]
    serve = ServerProcess([*command, "serve", "--config", str(config)], gateway, folder / "serve.log")
    floor = ServerProcess([*command, "floor", "--config", str(config)], web, folder / "floor.log")
    try:
        serve.start()
        floor.start()
        yield RunningLine(load_service(config), serve, floor)
    finally:
        floor.stop()
        serve.stop()


def _review(line: RunningLine, folder: Path, num_pieces: int) -> int:
    """Answers every piece by its truth, over the page's own requests; returns once the archive has the findings."""
    with closing(Database(f"sqlite:///{folder / 'archive.sqlite'}")) as database:
        archive, desk = Archive(database), Desk(database, ReviewSettings())
        answered, deadline_s = 0, time.monotonic() + WAIT_S
        while answered < num_pieces:
            pieces = _post(line, "hold", {})["pieces"]
            if not pieces:
                _wait(deadline_s, f"{answered} of {num_pieces} pieces came to the desk")
                continue
            held = desk.held("local", pieces[0]["token"])
            assert held is not None
            _post(line, "answer", {"token": held.token, **_truth(archive.row(held.verdict_key).piece_id)})
            answered += 1
        while (num_stored := _num_told(archive)) < answered:
            _wait(deadline_s, f"{num_stored} of {answered} findings came to the archive")
    return answered


def _truth(piece_id: str) -> dict[str, object]:
    seed, _, number = piece_id[1:].partition("-")
    defects = truth_of(LineSettings(seed=int(seed)), int(number)).defects
    return {"label": "nok" if defects else "ok", "defects": list(defects)}


def _num_told(archive: Archive) -> int:
    rows = archive.find(PieceFilter(), limit=1000)
    return sum(bool(archive.feedback(row.key)) for row in rows)


def _wait(deadline_s: float, so_far: str) -> None:
    if time.monotonic() > deadline_s:
        raise TimeoutError(f"after {WAIT_S} s only {so_far}")
    time.sleep(0.5)


def _post(line: RunningLine, what: str, body: dict[str, object]) -> dict[str, list[dict[str, str]]]:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{line.address}/review/{what}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                reply: dict[str, list[dict[str, str]]] = json.load(answer)
                return reply
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(1.0)  # The page takes 50 requests a second of one address.


def _shadow_at_work(config: Path) -> str:
    deadline_s = time.monotonic() + WAIT_S
    while "decided the same" not in (report := _run("deployments", "--config", config)):
        _wait(deadline_s, report)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=400)
    with tempfile.TemporaryDirectory(prefix="inspector-review-") as folder:
        started_s = time.monotonic()
        proof = prove(Path(folder), parser.parse_args().pieces)
    print(f"{proof.num_reviewed} pieces reviewed; exported: {json.dumps(proof.export)}")
    print(proof.deploy + proof.deployments)
    print(f"{time.monotonic() - started_s:.0f} s")


if __name__ == "__main__":
    main()
