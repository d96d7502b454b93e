"""A report in a browser: without network and script, readable by everyone, in light and dark, wide and narrow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inspector.evaluation.run import Shown
from inspector.report.page import write_page
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import InspectionId, from_files
from tests.inspector.report.parts import HOSTILE, content, line, with_heat
from tests.inspector.web.accessibility import serious_findings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright", reason="needs a browser")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(with_heat(content()), tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture(params=[("light", 1280), ("dark", 390)])
def page(request: pytest.FixtureRequest, browser: "Browser", report: Path, requests: list[str]) -> Iterator["Page"]:
    """The report, opened from the disk."""
    theme, width = request.param
    with browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900}) as profile:
        opened = profile.new_page()
        errors: list[str] = []
        opened.on("console", lambda message: errors.append(message.text))
        opened.on("request", lambda asked: requests.append(asked.url))
        opened.goto(report.as_uri())
        yield opened
        assert errors == []


def test_everyone_can_read_it(page: "Page") -> None:
    assert serious_findings(page) == []
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


def test_it_asks_for_nothing_but_itself(page: "Page", report: Path, requests: list[str]) -> None:
    page.wait_for_load_state("networkidle")
    assert {url for url in requests if not url.startswith("data:")} == {report.as_uri()}


def test_pictures_and_sounds_are_decoded(page: "Page") -> None:
    assert page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")
    seconds = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("audio")].map((each) => new Promise((done) => {
             if (each.readyState >= 1) done(each.duration);
             each.addEventListener("loadedmetadata", () => done(each.duration));
             each.addEventListener("error", () => done(-1));
           })))"""
    )
    assert seconds
    assert all(each == pytest.approx(4_000 / 48_000, abs=0.001) for each in seconds)


def test_evidence_can_be_taken_off_without_scripts(browser: "Browser", tmp_path: Path) -> None:
    path = write_page(with_heat(content()), tmp_path / "report.html")
    with browser.new_context(java_script_enabled=False) as profile:
        page = profile.new_page()
        page.goto(path.as_uri())
        layer = page.locator("img.heat").first
        assert layer.is_visible()
        page.get_by_role("checkbox").first.uncheck()
        assert not layer.is_visible()


def test_hostile_names_run_nothing(browser: "Browser", tmp_path: Path) -> None:
    path = write_page(content(line(HOSTILE, HOSTILE[:80], HOSTILE), name=HOSTILE), tmp_path / "report.html")
    with browser.new_context() as profile:
        page = profile.new_page()
        asked: list[str] = []
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_load_state("networkidle")
        assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}


def test_a_strip_fits_a_screen_and_its_defect_is_seen_pixel_by_pixel(browser: "Browser", tmp_path: Path) -> None:
    piece = from_files(InspectionId("line", "station", "p"), "", [("top", np.zeros((20_000, 2_048), np.uint8))], ())
    verdict = pb.Verdict()
    verdict.images.add(camera="top").regions.add(x_px=987, y_px=10_793, width_px=10, height_px=10, strength=0.8)
    made = content()
    made = replace(made, shown=dict.fromkeys(made.shown, Shown(piece, verdict, {})))
    path = write_page(made, tmp_path / "report.html")
    with browser.new_context(viewport={"width": 1280, "height": 900}) as profile:
        page = profile.new_page()
        page.goto(path.as_uri())
        whole = page.get_by_alt_text("Picture of top of piece top-bad-0", exact=True).bounding_box()
        part = page.get_by_alt_text("Part of the picture of top of piece top-bad-0").bounding_box()
    assert whole is not None
    assert part is not None
    assert whole["height"] <= 480
    assert part["width"] > 200
