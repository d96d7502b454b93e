"""Makes the pictures of a report for the documentation: python -m tests.benchmarks.report_pictures

The demo's bundle judges three simulated lots. It was trained on pieces like those of the first; marks too fine for a
thumbnail and inserts of the other two are new to it, so that there are mistakes to show.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from inspector.dataset.manifest import PieceRow, Split, read_manifest, write_manifest
from inspector.evaluation.evaluate import evaluate
from inspector.report.from_evaluation import evaluation_content
from inspector.report.page import write_page
from inspector.simulation.dataset import write_dataset
from inspector.simulation.pieces import LineSettings, Scenario
from tests.benchmarks.screenshots import IMAGES, shrink
from tests.servers import programs
from tests.servers.chromium import running_chromium

BUNDLE = Path(__file__).parents[2] / "deploy" / "bundles" / "demo"
LOTS: dict[str, tuple[Scenario, int]] = {
    "31": ("plain", 120), "32": ("rare_hard", 90), "33": ("disagreement", 30),
}  # fmt: skip
"""Pieces of the test split by lot."""
MAX_BYTES = 400_000
WIDTH = 1180


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--keep", type=Path, help="Also write the report itself here.")
    arguments = parser.parse_args()
    programs.may_start = True
    with tempfile.TemporaryDirectory() as folder:
        report = write_report(Path(folder))
        with running_chromium() as browser:
            for theme in ("light", "dark"):
                shoot(browser, report, arguments.out / f"report-{theme}.png", theme, "#in-short", "#roc")
            shoot(browser, report, arguments.out / "report-pieces.png", "light", "#false-rejects", "#false-rejects")
        if arguments.keep:
            arguments.keep.write_bytes(report.read_bytes())


def write_report(folder: Path) -> Path:
    rows = [row for lot in LOTS for row in simulated(folder, lot)]
    write_manifest(folder / "manifest.jsonl", rows)
    complete = evaluate(BUNDLE, folder / "manifest.jsonl", "test", 0.05, lambda stage, done, total: None)
    return write_page(evaluation_content(complete), folder / "report.html")


def simulated(folder: Path, lot: str) -> Iterator[PieceRow]:
    """The pieces of a lot, and as many for calibration, which no figure of the report but noisy-or's rests on."""
    scenario, num = LOTS[lot]
    manifest = write_dataset(folder / lot, 2 * num, LineSettings(seed=int(lot), scenario=scenario))
    for index, row in enumerate(read_manifest(manifest)):
        split: Split = "test" if index < num else "calibration"
        name, group = f"{lot}-{index:03}", lot if index < num else f"{lot} calibration"
        yield row.model_copy(
            update={
                "piece_id": name,
                "images": tuple(each.model_copy(update={"path": f"{lot}/{each.path}"}) for each in row.images),
                "signals": tuple(each.model_copy(update={"path": f"{lot}/{each.path}"}) for each in row.signals),
                "split": split,
                "groups": {"image": name, "signal": name, "lot": group},
            }
        )


def shoot(browser: Browser, report: Path, file: Path, theme: str, first: str, last: str) -> None:
    """From the panel of one heading to the end of that of another."""
    with browser.new_context(
        viewport={"width": WIDTH, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
    ) as profile:
        page = profile.new_page()
        page.goto(report.as_uri())
        top, bottom = (page.locator(f"section:has(> {each})").bounding_box() for each in (first, last))
        assert top is not None
        assert bottom is not None
        start = 0 if first == "#in-short" else top["y"] - 12
        height = bottom["y"] + bottom["height"] + 12 - start
        page.screenshot(path=file, full_page=True, clip={"x": 0, "y": start, "width": WIDTH, "height": height})
    shrink(file)
    size = file.stat().st_size
    print(f"{file.name}: {size // 1000} kB")
    assert size <= MAX_BYTES


if __name__ == "__main__":
    main()
