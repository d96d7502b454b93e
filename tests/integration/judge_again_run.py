"""Runs the demo line, keeps every piece, and judges the kept pieces again from the archive.

    python -m tests.integration.judge_again_run --pieces 500

Prints a JSON object; ends with exit code 1 where a verdict differs or a piece was not judged again.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.archive.find import Archive
from inspector.archive.opening import open_database
from inspector.archive.recordings.database import RecordingRows
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.archive.recordings.store import open_store
from inspector.archive.rows import PieceFilter
from inspector.config.service import Service, load_service
from inspector.demo.run import DemoSettings, demo_line
from inspector.replay.judge_again import Judges, Report, judge_again
from inspector.service.floor_archive import archive_part
from inspector.service.floor_recordings import recordings_part
from tests.integration.conftest import free_ports
from tests.texts import service_text

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
TABLES = """
[worker]
name = "again"
[gateway]
listen = "127.0.0.1:{port}"
[floor]
enabled = false
[archive]
min_free_bytes = 0
[recordings]
min_free_bytes = 0
"""


def run(folder: Path, num_pieces: int, rate_hz: float) -> tuple[Report, int]:
    """The report, and the number of verdicts of the line."""
    service = _configured(folder)
    with demo_line(DemoSettings(service.path, num_pieces, rate_hz)) as line:
        outcome = line.run(lambda verdict, tally: None)
    _keep_all(service, outcome.tally.received)
    return _judged_again(service), outcome.tally.received


def _configured(folder: Path) -> Service:
    recipe = (ROOT / "deploy" / "recipes" / "demo.toml").read_text()
    bundle = json.dumps(str(ROOT / "deploy" / "bundles" / "demo"))
    recipe = recipe.replace('bundle = "../bundles/demo"', f"bundle = {bundle}")
    (folder / "recipe.toml").write_text(recipe + '\n[keep]\npieces = "all"\n')
    config = folder / "service.toml"
    config.write_text(service_text("recipe.toml", TABLES.format(port=free_ports(1)[0]), log="run/log.sqlite"))
    return load_service(config)


def _keep_all(service: Service, num_verdicts: int) -> None:
    """Runs the floor's parts until everything is kept."""
    registry, stop = CollectorRegistry(), Event()
    with (
        archive_part(service, registry, stop),
        recordings_part(service, registry, stop),
        closing(open_database(service.path, service.config.archive.settings)) as database,
    ):
        rows, deadline_s = RecordingRows(database), time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            time.sleep(0.05)
            stored = len(_keys(Archive(database)))
            if stored == num_verdicts and not rows.candidates(rows.done_key(), 1):
                return
    raise TimeoutError(f"not all of {num_verdicts} pieces were kept within {PATIENCE_S:g} s")


def _judged_again(service: Service) -> Report:
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        archive = Archive(database)
        kept = KeptInputs(archive, open_store(service.config.recordings.settings, service.path.parent))
        return judge_again(_keys(archive), archive, kept, Judges(service))


def _keys(archive: Archive) -> list[int]:
    keys: list[int] = []
    while page := archive.find(PieceFilter(), keys[-1] if keys else None, 1000):
        keys += [row.key for row in page]
    return keys


def summary(report: Report, num_verdicts: int) -> dict[str, object]:
    return {
        "verdicts": num_verdicts,
        "judged_again": len(report.verdicts),
        "different": len(report.different),
        "bit_equal": report.num_bit_equal,
        "largest_score_difference": report.largest_score_difference,
        "skipped": sorted(set(report.skipped.values())),
        "num_skipped": len(report.skipped),
        "examples": [(again.piece, again.differences) for again in report.different[:5]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=500)
    parser.add_argument("--rate", type=float, default=12.0, help="pieces a second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report, num_verdicts = run(Path(folder), arguments.pieces, arguments.rate)
    print(json.dumps(summary(report, num_verdicts)))
    if report.different or len(report.verdicts) + len(report.skipped) != num_verdicts:
        sys.exit(1)


if __name__ == "__main__":
    main()
