"""Measures the live page on this machine: python -m tests.benchmarks.page

First page, time from a committed verdict to the pixel with 20 viewers (one real browser, 19 plain clients of the event
stream), CPU time that the viewers cost, and the memory of a tab. `--minutes 30` is the long form of the last one.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, CDPSession, Page, Request

from inspector.config.opening import open_log
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.records import Output
from tests.inspector.web.running_line import RunningLine, running_line
from tests.inspector.web.viewer import Viewer
from tests.servers.chromium import running_chromium

PLAIN_VIEWERS = 19
WIDE = {"width": 1920, "height": 1080}
TO_PIXEL = """async () => {
    const { onVerdict } = await import("/static/events.js");
    window.delays = [];
    onVerdict((card) => requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => window.delays.push(Date.now() - card.append_ms);
        port2.postMessage(null);
    }));
}"""
"""A message posted in a frame arrives after the frame was drawn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="How long the tab's memory is watched.")
    parser.add_argument("--rate", type=float, default=12.0, help="Verdicts per second while it is watched.")
    parser.add_argument("--seconds", type=float, default=20.0, help="How long each rate is measured.")
    parser.add_argument("--only-memory", action="store_true", help="Nothing but the tab's memory.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_line(Path(folder)) as line, running_chromium() as browser:
        sample = line.publish(36)
        row("what", "measured", "bar")
        if arguments.only_memory:
            memory(line, browser, sample, arguments.minutes, arguments.rate)
            return
        first_page(line, browser)
        for rate_hz, bar_ms in ((12, 250), (100, 500)):
            to_pixel(line, browser, sample, rate_hz, arguments.seconds, bar_ms)
        viewer_cost(line, browser, arguments.seconds)
        memory(line, browser, sample, arguments.minutes, arguments.rate)


def row(what: str, measured: str, bar: str) -> None:
    print(f"| {what} | {measured} | {bar} |", flush=True)


def first_page(line: RunningLine, browser: Browser) -> None:
    """With an empty cache: until the first station is drawn, and until its picture is."""
    drawn_s, pictures_s, sizes = [], [], []
    for _ in range(5):
        context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
        page, requests = context.new_page(), list[Request]()
        page.on("requestfinished", _collect_in(requests))
        start_s = time.monotonic()
        page.goto(line.address, wait_until="commit")
        page.locator(".station .decision.large").first.wait_for()
        drawn_s.append(time.monotonic() - start_s)
        page.locator(".station .picture:not(.pending)").first.wait_for()
        pictures_s.append(time.monotonic() - start_s)
        page.wait_for_timeout(500)
        sizes.append(sum(request.sizes()["responseBodySize"] for request in requests))
        context.close()
    row("first page, decision drawn (median of 5)", f"{statistics.median(drawn_s):.2f} s", "1 s")
    row("first page, with the first picture", f"{statistics.median(pictures_s):.2f} s", "-")
    row("first page, bytes with pictures and sounds", f"{max(sizes) / 1000:.0f} kB", "300 kB")


def _collect_in(requests: list[Request]) -> Callable[[Request], None]:
    """Playwright takes no built-in functions."""

    def collect(request: Request) -> None:
        requests.append(request)

    return collect


@contextmanager
def plain_viewers(line: RunningLine, count: int) -> Iterator[None]:
    """Clients that read everything and keep nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            viewer = stack.enter_context(Viewer(line.floor.port, timeout_s=120.0))
            threading.Thread(target=_read, args=(viewer,), daemon=True).start()
        yield


def _read(viewer: Viewer) -> None:
    try:
        viewer.drain()
    except (EOFError, OSError, ValueError):
        return


def to_pixel(
    line: RunningLine, browser: Browser, sample: list[Verdict], rate_hz: float, seconds: float, bar_ms: int
) -> None:
    """Verdicts of judged pieces are appended again, so that the load is the page's alone."""
    with opened(line, browser) as page, plain_viewers(line, PLAIN_VIEWERS):
        page.evaluate(TO_PIXEL)
        append(line, sample, rate_hz, seconds)
        page.wait_for_function(f"() => window.delays.length >= {int(rate_hz * seconds) - 1}", timeout=60_000)
        delays = sorted(page.evaluate("window.delays"))
    p50, p95, p99 = (delays[int(share * (len(delays) - 1))] for share in (0.5, 0.95, 0.99))
    what = f"committed to pixel, {rate_hz:g}/s, {PLAIN_VIEWERS + 1} viewers, {len(delays)} verdicts"
    row(what, f"p50 {p50} ms, p95 {p95} ms, p99 {p99} ms", f"p95 {bar_ms} ms")


@contextmanager
def opened(line: RunningLine, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(line.address)
    page.wait_for_selector("#connection[data-state='live']")
    yield page
    context.close()


def append(line: RunningLine, sample: list[Verdict], rate_hz: float, seconds: float) -> None:
    """Evenly spaced, each in a commit of its own."""
    topic = line.service.config.topics("line-1").of("verdicts")
    with closing(open_log(line.service.path, line.service.config)) as log, closing(log.publisher()) as publisher:
        start_s = time.monotonic()
        for number in range(int(rate_hz * seconds)):
            time.sleep(max(0.0, start_s + number / rate_hz - time.monotonic()))
            verdict = sample[number % len(sample)]
            verdict.inspection.piece_id = f"copy-{number}"
            key, value = verdict.inspection.station.encode(), verdict.SerializeToString()
            publisher.publish([Output(topic, 0, key, value, "inspection.v1.Verdict")])
            publisher.flush()


def viewer_cost(line: RunningLine, browser: Browser, seconds: float) -> None:
    """CPU time of worker, gateway and floor together while real pieces come at 12/s, without and with viewers."""

    def run() -> float:
        return cpu_s(line, lambda: line.publish(int(12 * seconds), 12.0))

    run()
    without = run()
    with opened(line, browser), plain_viewers(line, PLAIN_VIEWERS):
        with_viewers = run()
    again = run()
    base = (without + again) / 2
    what = f"CPU of the service at 12/s, {PLAIN_VIEWERS + 1} viewers against none"
    row(what, f"{with_viewers:.2f} s against {base:.2f} s: {100 * (with_viewers / base - 1):+.1f} %", "+15 %")


def cpu_s(line: RunningLine, work: Callable[[], object]) -> float:
    processes = [each for pid in (line.serve.pid, line.floor.pid) for each in _family(pid)]
    before = sum(_used_s(each) for each in processes)
    work()
    return sum(_used_s(each) for each in processes) - before


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _used_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def memory(line: RunningLine, browser: Browser, sample: list[Verdict], minutes: float, rate_hz: float) -> None:
    """The heap of a tab after garbage collection, five times over: a leak grows from each to the next, while caches
    and compiled code come to an end."""
    with opened(line, browser) as page:
        session = page.context.new_cdp_session(page)
        append(line, sample, rate_hz, 20)
        heaps, counts = [heap_bytes(session)], [counters(session)]
        for _ in range(4):
            append(line, sample, rate_hz, 15 * minutes)
            heaps.append(heap_bytes(session))
            counts.append(counters(session))
    growth = f"{heaps[-1] / heaps[0] - 1:+.1%}, second half {heaps[-1] / heaps[2] - 1:+.1%}"
    what = f"heap of a tab in MB, {minutes:g} min at {rate_hz:g}/s, start and each quarter"
    row(what, f"{', '.join(f'{each / 1e6:.2f}' for each in heaps)} ({growth})", "flat")
    row("nodes and listeners of it", "; ".join(counts), "flat")


def heap_bytes(session: CDPSession) -> float:
    """Bytes in use after a garbage collection."""
    session.send("HeapProfiler.enable")
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    return metrics(session)["JSHeapUsedSize"]


def counters(session: CDPSession) -> str:
    values = metrics(session)
    return f"{values['Nodes']:.0f}, {values['JSEventListeners']:.0f}"


def metrics(session: CDPSession) -> dict[str, float]:
    session.send("Performance.enable")
    return {metric["name"]: float(metric["value"]) for metric in session.send("Performance.getMetrics")["metrics"]}


if __name__ == "__main__":
    main()
