"""The Line page in a real browser, on a real line."""

import re
import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from inspector.config.opening import open_log
from protos.inspection.v1 import verdict_pb2 as pb
from streams.records import Output
from tests.benchmarks.page import append as appended
from tests.benchmarks.page import heap_bytes
from tests.inspector.web.accessibility import serious_findings
from tests.inspector.web.conftest import NARROW, WIDE
from tests.inspector.web.parts import verdict
from tests.inspector.web.running_line import RunningLine

HOSTILE = {
    "markup": '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>',
    "rtl": "\u202eحروف عربية\u2066 piece \u05d0\u05d1",
    "long": "W" * 128,
    "nul": "a\x00b\u2028c\x7f",
    "template": "{{ 7*7 }}${7*7}</script><!--",
}


def append(line: RunningLine, *verdicts: pb.Verdict) -> None:
    """Verdicts on the log as a worker writes them, but of pieces that this line never saw."""
    topic = line.service.config.topics("line-1").of("verdicts")
    outputs = [
        Output(topic, 0, message.inspection.station.encode(), message.SerializeToString(), "inspection.v1.Verdict")
        for message in verdicts
    ]
    with closing(open_log(line.service.path, line.service.config)) as log, closing(log.publisher()) as publisher:
        publisher.publish(outputs)
        publisher.flush()


def now(message: pb.Verdict) -> pb.Verdict:
    message.entry_ns = message.capture_ns = message.publish_ns = message.decision_ns = time.time_ns()
    return message


@pytest.fixture
def opened(page: Page, line: RunningLine) -> Page:
    page.goto(line.address)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return page


def test_the_last_judged_piece_of_each_station_is_there_with_all_that_was_decided(
    opened: Page, line: RunningLine
) -> None:
    stations = opened.locator(".station")
    expect(stations).to_have_count(6)
    first = stations.first
    expect(first.locator(".decision.large .word")).to_have_text(re.compile("^(PASS|FAIL|REVIEW)$"))
    expect(first.locator(".decision.large svg use")).to_have_attribute("href", re.compile(r"shapes\.svg#"))
    expect(first.locator(".why")).not_to_be_empty()
    expect(first.locator(".scale")).to_have_attribute("aria-label", re.compile(r"defect score .* good below"))
    expect(first.locator(".picture canvas")).to_have_attribute("aria-label", re.compile("picture of top, piece s"))
    expect(first.locator(".sound canvas")).to_have_attribute("aria-label", re.compile("audio of mic"))
    expect(first.locator(".facts")).to_contain_text("onnx/fp32")
    expect(first.locator(".figures")).to_contain_text("takt")
    expect(first.locator(".sensors li")).to_have_count(2)


def test_the_picture_has_pixels_and_the_spectrogram_too(opened: Page) -> None:
    distinct = """canvas => {
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(Array.from({length: 4000}, (_, i) => data[4 * Math.floor(i * data.length / 16000)])).size > 10;
    }"""
    for kind in ("picture", "sound"):
        canvas = opened.locator(f".station .{kind}:not(.pending) canvas").first
        opened.wait_for_function(distinct, arg=canvas.element_handle())


def test_a_new_piece_appears_by_itself(opened: Page, line: RunningLine) -> None:
    line.publish(3, 12.0)
    newest = line.publish(3, 12.0)[0].inspection
    expect(opened.locator(f".station[data-piece='{newest.piece_id}']")).to_have_count(1)


def test_everything_can_be_done_with_the_keyboard_alone(opened: Page) -> None:
    opened.keyboard.press("Tab")
    expect(opened.locator(".skip")).to_be_focused()
    opened.keyboard.press("Enter")
    reached = set()
    for _ in range(12):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"hold", "rejects", "heat", "Play", "Slowly"} <= reached
    opened.keyboard.press("h")
    expect(opened.locator("#hold")).to_have_attribute("aria-pressed", "true")
    opened.keyboard.press("h")
    expect(opened.locator("#hold")).to_have_attribute("aria-pressed", "false")
    opened.locator("#heat").focus()
    before = opened.locator("#heat").input_value()
    opened.keyboard.press("ArrowRight")
    assert opened.locator("#heat").input_value() != before


def test_a_new_piece_does_not_take_the_focus_from_the_link(opened: Page, line: RunningLine) -> None:
    station = opened.locator(".station").first
    link, name = station.locator(".piece a"), station.locator("h2").inner_text()
    link.focus()
    append(line, now(verdict(920, station=name)))
    expect(station).to_have_attribute("data-piece", "piece-920")
    expect(link).to_be_focused()
    expect(link).to_have_attribute("href", re.compile("piece-920"))


def test_a_line_of_one_station_fits_on_one_screen(opened: Page) -> None:
    """Decision and evidence are seen together, without scrolling."""
    opened.evaluate("document.querySelectorAll('.station:not(:first-child)').forEach((each) => each.remove())")
    lead, sources = (opened.locator(f".station {name}").bounding_box() for name in (".lead", ".sources"))
    assert lead is not None
    assert sources is not None
    assert sources["x"] >= lead["x"] + lead["width"]
    assert opened.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_a_held_piece_stays_while_others_pass(opened: Page, line: RunningLine) -> None:
    station = opened.locator(".station").first
    earlier = station.locator(".strip button").first
    earlier.focus()
    opened.keyboard.press("Enter")
    expect(earlier).to_have_attribute("aria-current", "true")
    held = station.get_attribute("data-piece")
    name = station.locator("h2").inner_text()
    append(line, now(verdict(901, station=name)))
    expect(station.locator(".strip button[title^='piece-901']")).to_have_count(1)
    assert station.get_attribute("data-piece") == held
    opened.locator("#hold").click()
    expect(station).to_have_attribute("data-piece", "piece-901")


def test_only_rejects_leaves_out_what_passed(opened: Page, line: RunningLine) -> None:
    opened.locator("#rejects").check()
    passed = verdict(911, decision=pb.DECISION_PASS, reason=pb.DECISION_REASON_GOOD, defect_score=0.01)
    append(line, now(verdict(910)), now(passed))
    station = opened.locator(".station", has=opened.locator("h2", has_text=re.compile("^station-1$")))
    expect(station.locator(".strip button[title^='piece-911']")).to_have_count(1)
    expect(station).to_have_attribute("data-piece", "piece-910")


def test_a_sound_is_played_and_the_cursor_runs(opened: Page) -> None:
    loaded = opened.locator(".station", has=opened.locator(".sound:not(.pending) button:visible")).first
    name = loaded.locator("h2").inner_text()  # another station may be the first with a sound a moment later
    station = opened.locator(".station", has=opened.locator("h2", has_text=re.compile(f"^{name}$")))
    cursor = station.locator(".cursor")
    cursor.evaluate("""cursor => {
        window.visibility = [];
        const changed = () => window.visibility.push(!cursor.hidden);
        new MutationObserver(changed).observe(cursor, {attributeFilter: ["hidden"]});
    }""")
    station.get_by_role("button", name="Slowly").click()
    opened.wait_for_function("() => window.visibility.at(-1) === false")
    assert opened.evaluate("window.visibility[0]"), "it was visible before it was hidden"


def test_the_theme_is_kept(opened: Page) -> None:
    opened.locator("#theme").click()
    expect(opened.locator("html")).to_have_attribute("data-theme", "light")
    opened.reload()
    expect(opened.locator("html")).to_have_attribute("data-theme", "light")


def test_a_restart_of_floor_and_gateway_under_an_open_page_misses_nothing_and_repeats_nothing(
    opened: Page, line: RunningLine
) -> None:
    opened.evaluate("""async () => {
        const { onVerdict } = await import("/static/events.js");
        window.pieces = [];
        onVerdict((card) => window.pieces.push(card.piece));
    }""")
    expected = []

    def publish(number: int) -> None:
        expected.append(f"piece-{number}")
        append(line, now(verdict(number)))

    publish(1000)
    opened.wait_for_function("() => window.pieces.length === 1")
    line.floor.stop()
    expect(opened.locator("#connection")).to_have_attribute("data-state", "lost")
    for number in range(1001, 1011):
        publish(number)
    line.floor.start()
    opened.wait_for_function("() => window.pieces.length >= 11")
    line.serve.stop()
    publish(1011)
    line.serve.start()
    publish(1012)
    opened.wait_for_function("() => window.pieces.length >= 13")
    assert opened.evaluate("window.pieces") == expected
    expect(opened.locator("#connection")).to_have_attribute("data-state", "live")


def test_two_tabs_share_one_stream(opened: Page, line: RunningLine) -> None:
    second = opened.context.new_page()
    second.goto(line.address)
    expect(second.locator("#connection")).to_have_attribute("data-state", "live")
    append(line, now(verdict(920)))
    for tab in (opened, second):
        expect(tab.locator(".station[data-piece='piece-920']")).to_have_count(1)
    streams = opened.evaluate("performance.getEntriesByType('resource').filter(e => e.name.includes('/events')).length")
    assert streams <= 2, "events.js and no stream of the tab itself"
    second.close()


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_neither_run_nor_break_the_page(opened: Page, line: RunningLine, kind: str) -> None:
    text = HOSTILE[kind]
    message = now(verdict(0, product=text, lot=text, recipe=text, bundle=text, engine=text, route=text))
    message.inspection.piece_id = text[:128]
    message.inspection.station = f"hostile-{kind}"
    message.classes[0].name = text
    for modality in message.modalities:
        modality.name = text
        modality.detail = text
    message.signals[0].sensor = text
    message.experts.add(expert=text, modality=text, ran=True, why=text)
    append(line, message)
    station = opened.locator(f".station[aria-label='station hostile-{kind}']")
    expect(station.locator(".decision.large .word")).to_have_text("FAIL")
    assert opened.evaluate("window.hacked") is None
    assert opened.locator("img").count() == 0
    assert opened.evaluate("document.documentElement.scrollWidth") <= WIDE[0]
    opened.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert opened.evaluate("document.documentElement.scrollWidth") <= NARROW[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_nothing_serious(browser: Browser, line: RunningLine, scheme: str, size: tuple[int, int]) -> None:
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
    )
    page.goto(line.address)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator(".station").first).to_be_visible()
    assert serious_findings(page) == []
    page.close()


def test_a_page_that_is_not_there_says_so_and_leads_back(page: Page, line: RunningLine) -> None:
    page.goto(f"{line.address}/nowhere")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    page.get_by_role("link", name="To the Line page", exact=True).click()
    expect(page).to_have_title("Line · inspector")


def test_the_first_page_is_small(browser: Browser, line: RunningLine) -> None:
    sizes: list[int] = []
    context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
    page = context.new_page()
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(line.address)
    expect(page.locator(".station .picture:not(.pending)").first).to_be_visible()
    page.wait_for_load_state("load")
    assert 10_000 < sum(sizes) <= 300_000
    context.close()


def test_static_files_hold_no_address_outside() -> None:
    for path in Path("inspector/web/static").rglob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def test_the_memory_of_a_tab_is_flat(opened: Page, line: RunningLine) -> None:
    """As many verdicts as two minutes bring at 12/s; 30 minutes: `python -m tests.benchmarks.page --minutes 30`."""
    sample = [now(verdict(number, station=f"station-{number % 3 + 1}")) for number in range(36)]
    session = opened.context.new_cdp_session(opened)
    appended(line, sample, 120.0, 3.0)
    early, nodes = heap_bytes(session), opened.evaluate("document.querySelectorAll('*').length")
    appended(line, sample, 120.0, 12.0)
    late = heap_bytes(session)
    assert late < early * 1.1 + 500_000
    assert opened.evaluate("document.querySelectorAll('*').length") <= nodes + 50
