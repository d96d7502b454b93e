"""The page of `inspector demo`: its address is printed at once, and an open tab sees every piece to the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.servers.process import free_port
from tests.texts import DEMO_RECIPE, service_text

pytestmark = pytest.mark.broker

TABLES = """
[join]
max_delay_s = 1.0
[gateway]
listen = "127.0.0.1:{gateway}"
[archive]
min_free_bytes = 0
database = "sqlite:///run/archive.sqlite"
[recordings]
min_free_bytes = 0
[web]
listen = "127.0.0.1:{web}"
"""
NUM_PIECES = 60
OUT_OF_ORDER = 15
"""A verdict comes at most this many pieces after its neighbours: it waits up to 1 s, at 12 pieces/s."""


def test_an_open_page_sees_the_demo_from_its_first_piece_to_its_last(page: Page, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    tables = TABLES.format(gateway=free_port(), web=free_port())
    config.write_text(service_text(DEMO_RECIPE, tables, log="run/log.sqlite"), encoding="utf-8")
    command = [sys.executable, "-u", "-m", "inspector", "demo", "--config", str(config), "--pieces", str(NUM_PIECES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        lines = iter(demo.stdout)
        address = next(line for line in lines if line.startswith("the live page: ")).split()[-1]
        page.goto(address)
        page.evaluate("""async () => {
            const { onVerdict } = await import("/static/events.js");
            window.pieces = [];
            onVerdict((card) => window.pieces.push(card.piece));
        }""")
        last = list(lines)[-1]
    page.wait_for_function(f"() => window.pieces.includes('{_piece(NUM_PIECES - 1)}')")
    seen = page.evaluate("window.pieces")
    summary = json.loads(last)
    assert demo.returncode == 0
    assert (summary["pieces"], summary["verdicts"], summary["doubled"], summary["missing"]) == (NUM_PIECES, 60, 0, 0)
    assert len(seen) == len(set(seen)), "nothing twice"
    first = min(int(name.removeprefix("s2026-")) for name in seen)
    assert set(seen) >= {_piece(number) for number in range(first + OUT_OF_ORDER, NUM_PIECES)}
    expect(page.locator("#connection")).to_have_attribute("data-state", "lost")


def _piece(number: int) -> str:
    return f"s2026-{number:06d}"
