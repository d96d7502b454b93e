"""How fast a person can work at the Review page: a real browser, scripted by keys alone.

    python -m tests.benchmarks.review                    # 200 pieces as fast as they come, then 40 at 1,200 an hour
    python -m tests.benchmarks.review --side 2000        # larger pictures

The time to the next piece is from the key to the frame in which the next picture and sound are drawn.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page

from inspector.review.settings import ReviewSettings
from tests.inspector.review.desk_parts import Floor, floor, sound
from tests.inspector.web.review_parts import desk_pages, served
from tests.servers.chromium import running_chromium

PACE_S = 3.0
"""1,200 pieces an hour."""
KEYS = "onoo1od2"
_WATCH = """() => {
  window.times = [];
  const token = () => document.querySelector('#piece [data-token]')?.dataset.token ?? '';
  addEventListener('keydown', (event) => {
    const before = token();
    const look = () => {
      const isShown = token() && token() !== before && !document.querySelector('#piece .pending');
      requestAnimationFrame(isShown ? () => window.times.push(performance.now() - event.timeStamp) : look);
    };
    look();
  }, true);
}"""


def fill(desk: Floor, count: int, side_px: int) -> None:
    """Pieces with a picture of this side and a quarter of a second of sound."""
    names = [f"p{number}" for number in range(count)]
    desk.add(names, recordings=False)
    for number, name in enumerate(names):
        desk.keep(name, "top", "image", "png", _picture(number, side_px))
        desk.keep(name, "mic", "audio", "npy", sound(name))
    desk.queue()


def _picture(number: int, side_px: int) -> bytes:
    """Some grain on soft blotches, as of a machined part."""
    rng = np.random.default_rng(number)
    soft = cv2.resize(rng.normal(128, 40, (12, 12)), (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    grey = np.clip(soft + rng.normal(0, 4, (side_px, side_px)), 0, 255).astype(np.uint8)
    return cv2.imencode(".png", grey)[1].tobytes()


def work(page: Page, count: int, pace_s: float) -> tuple[list[float], float]:
    """Milliseconds to each next piece, and the seconds that all took."""
    page.evaluate("() => { window.times = []; }")
    started_s = time.monotonic()
    for number in range(count):
        page.keyboard.press(KEYS[number % len(KEYS)])
        page.wait_for_function("(count) => window.times.length >= count", arg=number + 1, polling=5)
        page.wait_for_timeout(max(0.0, started_s + (number + 1) * pace_s - time.monotonic()) * 1000)
    took_s = time.monotonic() - started_s
    return [float(value) for value in page.evaluate("window.times")], took_s


def show(what: str, times_ms: Sequence[float], took_s: float) -> None:
    p50, p95, p99 = np.percentile(times_ms, [50, 95, 99])
    rate = len(times_ms) / took_s * 3600
    print(f"{what}: {len(times_ms)} pieces, {rate:,.0f} an hour; next piece p50 {p50:.0f} ms, p95 {p95:.0f} ms, "
          f"p99 {p99:.0f} ms, longest {max(times_ms):.0f} ms")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=200, help="As fast as they come.")
    parser.add_argument("--paced", type=int, default=40, help="One each three seconds.")
    parser.add_argument("--side", type=int, default=1000, help="Side of the pictures in pixels.")
    options = parser.parse_args()
    settings = ReviewSettings(second_share=0.0, known_share=0.0)
    with (
        tempfile.TemporaryDirectory(prefix="inspector-review-") as folder,
        floor(f"sqlite:///{folder}/archive.sqlite", settings) as filled,
    ):
        fill(filled, options.pieces + options.paced + 10, options.side)
        with desk_pages(Path(folder), filled) as pages, served(pages) as running, running_chromium() as browser:
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(f"{running.address}/review")
            page.wait_for_selector('#answers[data-ready="3"]')
            page.evaluate(_WATCH)
            show("1,200 an hour", *work(page, options.paced, PACE_S))
            show("as fast as they come", *work(page, options.pieces, 0.0))
            page.wait_for_selector('#answers[data-sending="0"]', timeout=60_000)
            print(f"{len(filled.answers())} answers are stored")


if __name__ == "__main__":
    main()
