"""Makes the pictures of the live page for README and documentation: python -m tests.benchmarks.screenshots"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Page

from inspector.replay.faults import Faults, Silence
from inspector.simulation.dataset import MICROPHONE
from tests.inspector.web.running_line import RunningLine, running_line
from tests.servers.chromium import running_chromium

IMAGES = Path(__file__).parents[2] / "docs" / "images"
VIEWS = {"line": "/", "pieces": "/pieces", "charts": "/charts", "review": "/review", "alerts": "/alerts"}
MAX_BYTES = 300_000
SIZES = {"": (1600, 900), "-narrow": (390, 844)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--pieces", type=int, default=300)
    parser.add_argument("--views", nargs="*", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--narrow", action="store_true", help="Also at 390 px.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_line(Path(folder)) as line, running_chromium() as browser:
        fill(line, arguments.pieces)
        for view in arguments.views:
            if view == "alerts":
                silence_a_microphone(line)
            for theme in ("light", "dark"):
                for suffix, size in SIZES.items():
                    if not suffix or arguments.narrow:
                        shoot(
                            browser,
                            line.address + VIEWS[view],
                            arguments.out / f"{view}-{theme}{suffix}.png",
                            theme,
                            size,
                        )


def fill(line: RunningLine, num_pieces: int) -> None:
    """Pieces with everyday faults, then a few without, so that the last ones have pictures."""
    silence = Silence(MICROPHONE, 2.0, 4.0, "station-2")
    line.publish(num_pieces, 12.0, Faults(jitter_s=0.02, drop=0.004, duplicate=0.03, silences=(silence,), seed=3))
    line.publish(30, 12.0)


def silence_a_microphone(line: RunningLine) -> None:
    """Opens an alert, which stays open."""
    line.publish(60, 4.0, Faults(silences=(Silence(MICROPHONE, 0.0, 60.0, "station-2"),)))


def shoot(browser: Browser, address: str, file: Path, theme: str, size: tuple[int, int]) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(address)
    settle(page)
    page.screenshot(path=file)
    context.close()
    shrink(file)
    print(f"{file}: {file.stat().st_size // 1000} kB")


def settle(page: Page) -> None:
    """Until nothing is loaded any more; the event stream stays open, so the network never falls silent."""
    page.wait_for_selector("#connection[data-state='live']")
    page.wait_for_timeout(2_000)


def shrink(file: Path) -> None:
    """Fewer shades where the file is large: the pictures of the pieces are noise, which PNG cannot compress."""
    image = cv2.imread(str(file))
    assert image is not None
    for bits in (6, 5, 4):
        if file.stat().st_size >= MAX_BYTES:
            cv2.imwrite(str(file), with_bits(np.asarray(image, np.uint8), bits), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def with_bits(image: np.ndarray, bits: int) -> np.ndarray:
    """Shades of so many bits, from black to white."""
    return (image >> (8 - bits) << (8 - bits)) | (image >> bits)


if __name__ == "__main__":
    main()
