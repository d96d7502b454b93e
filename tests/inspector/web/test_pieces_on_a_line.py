"""Pieces of a real line: archived, kept, shown, downloaded and judged by a person."""

import re
import time

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from inspector.verdicts.records import inspection_id
from inspector.web.piece_links import piece_path
from protos.inspection.v1.verdict_pb2 import Decision
from tests.inspector.web.running_line import RunningLine

PATIENCE_S = 60


def get(address: str, words: str = "") -> httpx.Response:
    """The page, once it answers and holds the wanted words: archive and store follow the line with a delay."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        answer = httpx.get(address, timeout=30)
        if (answer.status_code == 200 and words in answer.text) or time.monotonic() > deadline_s:
            return answer
        time.sleep(0.2)


@pytest.fixture(scope="module")
def rejected(line: RunningLine) -> str:
    """Address of a piece that did not pass: its recordings are kept."""
    verdict = next(each for each in line.publish(24) if each.decision == Decision.DECISION_FAIL)
    return line.address + piece_path(inspection_id(verdict.inspection))


def test_the_page_of_a_judged_piece_names_its_records_and_kept_recordings(rejected: str) -> None:
    text = get(rejected, "PNG, ").text

    assert "frames, partition" in text
    assert "signals, partition" in text
    assert re.search(r"(FLAC|NPY), \d", text)


def test_a_kept_picture_is_downloaded_without_loss(line: RunningLine, rejected: str) -> None:
    path = re.search(r'href="(/kept/\d+/file/\d+/0)" download>image', get(rejected, "PNG, ").text)
    assert path

    answer = httpx.get(line.address + path[1], timeout=30)
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)

    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert image is not None
    assert image.size > 1000


def test_picture_and_sound_are_shown_and_a_finding_reaches_the_archive(page: Page, rejected: str) -> None:
    get(rejected, "PNG, ")
    page.goto(rejected)
    expect(page.locator(".picture canvas").first).to_be_visible()
    expect(page.locator(".sound canvas").first).to_be_visible()
    page.get_by_label("OK", exact=True).first.check()
    page.get_by_label("Note").fill("false alarm")
    page.get_by_role("button", name="Store the finding").click()
    expect(page.locator("#feedback-said")).to_have_text("Stored.")

    assert "false alarm" in get(rejected, "false alarm").text


def test_charts_count_the_pieces_of_the_line(page: Page, line: RunningLine, rejected: str) -> None:
    get(rejected)
    page.goto(f"{line.address}/charts?range=1h")

    expect(page.locator("[data-chart=yield]")).to_contain_text("passed at once")
    expect(page.locator("[data-chart=sensors] svg").first).to_be_visible()
