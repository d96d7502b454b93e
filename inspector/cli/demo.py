"""`inspector demo`: shows the verdicts of a simulated line as they come, then compares them with the truth."""

import json
import signal
import webbrowser
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inspector.cli.errors import report_user_errors
from inspector.cli.printable import cell, print_line
from inspector.demo.run import DemoError, DemoLine, DemoSettings, Outcome, demo_line
from inspector.demo.tally import Tally, decision_word, reason_word
from protos.inspection.v1.verdict_pb2 import Verdict

CONFIG = Path(__file__).parents[2] / "deploy" / "demo" / "service.toml"
_COLOURS = {"pass": "green", "fail": "red", "review": "yellow"}
_ROWS = 12


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), default=CONFIG, help="Start the service of this configuration instead."
)
@click.option("--pieces", default=600, show_default=True, type=click.IntRange(1), help="Pieces to simulate.")
@click.option(
    "--rate", default=12.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Pieces per second."
)
@click.option("--seed", default=2026, show_default=True, type=click.IntRange(0), help="Equal seeds give equal pieces.")
@click.option("--open", "opens", is_flag=True, help="Open the live page in the browser.")
@click.option("--keep", is_flag=True, help="Let the line run on after the summary, until Ctrl+C.")
@report_user_errors()
def demo(config: Path, pieces: int, rate: float, seed: int, opens: bool, keep: bool) -> None:
    """Starts a service, runs a simulated line through it, and compares the verdicts with the truth. The line has
    everyday faults, such as late and lost records.

    The address of the live page is printed once it answers. The last line printed is a summary as one JSON object. Exit
    code 0 if every piece had exactly one verdict.
    """
    settings = DemoSettings(config, pieces, rate, seed)
    click.echo(f"starting the service of {config}; {pieces} pieces at {rate:g}/s follow")
    try:
        with _ended_by_signals(), demo_line(settings, partial(_show_page, opens)) as line:
            with _display(Console()) as show:
                outcome = line.run(show)
            if keep:
                _print_all(outcome)
                _run_on(line)
    except DemoError as exc:
        raise click.ClickException(str(exc)) from exc
    if not keep:
        _print_all(outcome)
    summary = outcome.tally.summary(outcome.first_verdict_s)
    if (summary["verdicts"], summary["doubled"], summary["missing"]) != (summary["pieces"], 0, 0):
        raise SystemExit(1)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A terminal that is closed, or a supervisor, ends the demo with its service, as Ctrl+C does."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _show_page(opens: bool, address: str) -> None:
    click.echo(f"the live page: {address}")
    if opens:
        webbrowser.open(address)


def _run_on(line: DemoLine) -> None:
    click.echo("the line runs on; Ctrl+C ends it")
    try:
        line.run_on()
    except KeyboardInterrupt:
        click.echo("stopped")


def _print_all(outcome: Outcome) -> None:
    _print_summary(outcome)
    click.echo(json.dumps(outcome.tally.summary(outcome.first_verdict_s)))


@contextmanager
def _display(console: Console) -> Iterator[Callable[[Verdict, Tally], None]]:
    """A live table on a terminal, one line a verdict elsewhere."""
    if not console.is_terminal:
        yield lambda verdict, tally: click.echo(" ".join(_cells(verdict)))
        return
    recent: deque[Verdict] = deque(maxlen=_ROWS)
    with Live(console=console, refresh_per_second=8) as live:

        def show(verdict: Verdict, tally: Tally) -> None:
            recent.append(verdict)
            live.update(_screen(recent, tally))

        yield show


def _cells(verdict: Verdict) -> tuple[str, ...]:
    score = f"{verdict.defect_score:.3f}" if verdict.HasField("defect_score") else "-"
    ran = "+".join(expert.expert for expert in verdict.experts if expert.ran) or "-"
    named = verdict.inspection
    return cell(named.station), cell(named.piece_id), decision_word(verdict), reason_word(verdict), score, cell(ran)


def _screen(recent: deque[Verdict], tally: Tally) -> Group:
    table = Table("station", "piece", "decision", "reason", "score", "experts that ran")
    for verdict in recent:
        table.add_row(*map(Text, _cells(verdict)), style=_COLOURS[decision_word(verdict)])
    counts = ", ".join(f"{tally.decisions[word]} {word}" for word in _COLOURS)
    latency = tally.latency_ms()
    return Group(table, Text(f"{tally.received} of {len(tally.truth)} pieces: {counts}; p95 {latency['p95']:.0f} ms"))


def _print_summary(outcome: Outcome) -> None:
    tally = outcome.tally
    bad = sum(bool(defects) for defects in tally.truth.values())
    click.echo(f"\n{len(tally.truth)} pieces, {bad} of them with a defect")
    for reason, count in sorted(tally.reasons.items()):
        click.echo(f"  {reason}: {count}")
    for piece_id in tally.escapes:
        print_line(f"  escape: {piece_id} has {', '.join(tally.truth[piece_id])} and passed")
    for piece_id in tally.false_rejects:
        print_line(f"  false reject: {piece_id} is good and failed")
    latency = tally.latency_ms()
    figures = ", ".join(f"{name} {value:.0f} ms" for name, value in latency.items())
    click.echo(f"  capture to receipt: {figures}; experts run {tally.experts_run}, skipped {tally.experts_skipped}")
