"""`inspector watch`, `verdict` and `feedback`: show what a gateway serves, in a terminal."""

import itertools
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import click
from google.protobuf.json_format import MessageToJson
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inspector.bundle.expected import likely
from inspector.cli.connecting import show_waiting
from inspector.cli.connection import Connection, connection_options
from inspector.cli.printable import cell, print_line
from inspector.client.client import Client, ClientError, WatchOptions
from inspector.verdicts.defects import defects_of
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from protos.inspection.v1.service_pb2 import GetModelResponse
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Modality, ModalityState, Verdict

COLOURS = {Decision.DECISION_PASS: "green", Decision.DECISION_FAIL: "red", Decision.DECISION_REVIEW: "yellow"}
NUM_ROWS = 20
COLUMNS = ("time", "station", "piece", "decision", "defect", "reason", "score", "absent", "latency")
DECISIONS = {
    "pass": Decision.DECISION_PASS,
    "fail": Decision.DECISION_FAIL,
    "review": Decision.DECISION_REVIEW,
}
LABELS = {
    "ok": Label.LABEL_OK,
    "nok": Label.LABEL_NOK,
    "unsure": Label.LABEL_UNSURE,
    "withdrawn": Label.LABEL_WITHDRAWN,
}


@click.command()
@connection_options
@click.option("--line", "lines", multiple=True, help="Only this line; repeatable.")
@click.option("--station", "stations", multiple=True, help="Only this station; repeatable.")
@click.option("--product", "products", multiple=True, help="Only this product; repeatable.")
@click.option(
    "--decision",
    "decisions",
    multiple=True,
    type=click.Choice(tuple(DECISIONS)),
    help="Only this decision; repeatable.",
)
@click.option(
    "--from",
    "begin",
    default="live",
    show_default=True,
    help="Where to start: live, earliest or an ISO 8601 time such as 2026-11-21T06:00.",
)
@click.option("--count", type=click.IntRange(1), help="End after this many verdicts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, without heat maps.")
def watch(
    gateway: Connection,
    lines: tuple[str, ...],
    stations: tuple[str, ...],
    products: tuple[str, ...],
    decisions: tuple[str, ...],
    begin: str,
    count: int | None,
    as_json: bool,
) -> None:
    """Shows verdicts as they come: a table in a terminal, else one line per verdict. Continues when the gateway
    restarts.

    Example: inspector watch --line line-1 --decision fail --from earliest
    """
    kinds = tuple(DECISIONS[decision] for decision in decisions)
    start_time_ns = None if begin in {"live", "earliest"} else time_of(begin)
    options = WatchOptions(lines, stations, products, kinds, start_time_ns=start_time_ns, earliest=begin == "earliest")
    with gateway.open() as client:
        watching = client.watch(options)
        verdicts = (verdict for verdict, _ in itertools.islice(watching, count))
        with show_waiting(gateway.address, lambda: watching.trouble):
            _show(verdicts, as_json=as_json)


@click.command()
@connection_options
@click.argument("line")
@click.argument("station")
@click.argument("piece")
@click.option("--pass", "pass_number", default=0, show_default=True, type=click.IntRange(0), help="Pass of the piece.")
def verdict(
    gateway: Connection,
    line: str,
    station: str,
    piece: str,
    pass_number: int,
) -> None:
    """Prints the verdict of a piece as JSON. Knows recent pieces only: [gateway] max_verdicts and max_bytes.

    Example: inspector verdict line-1 station-2 piece-0042
    """
    with gateway.open() as client:
        inspection = Inspection(line=line, station=station, piece_id=piece, pass_number=pass_number)
        with show_waiting(gateway.address, _no_status):
            answer = client.verdict(inspection)
        click.echo(MessageToJson(without_pictures(answer), preserving_proto_field_name=True))


@click.command()
@connection_options
@click.argument("line")
@click.argument("station")
@click.argument("piece")
@click.argument("label", type=click.Choice(tuple(LABELS)))
@click.option("--pass", "pass_number", default=0, show_default=True, type=click.IntRange(0), help="Pass of the piece.")
@click.option("--defect", "defects", multiple=True, help="A defect of the piece; repeatable.")
@click.option("--author", default="", help="Who inspected the piece.")
@click.option("--note", default="", help="Free text.")
def feedback(
    gateway: Connection,
    line: str,
    station: str,
    piece: str,
    label: str,
    pass_number: int,
    defects: tuple[str, ...],
    author: str,
    note: str,
) -> None:
    """Records what a person saw on a piece: ok (good), nok (defective) or unsure; withdrawn takes the last word back.

    Example: inspector feedback line-1 station-2 piece-0042 nok --defect scratch --author lee
    """
    inspection = Inspection(line=line, station=station, piece_id=piece, pass_number=pass_number)
    finding = Feedback(
        inspection=inspection,
        label=LABELS[label],
        defects=defects,
        author=author,
        note=note,
        given_ns=time.time_ns(),
    )
    with gateway.open() as client, show_waiting(gateway.address, _no_status):
        client.submit_feedback(finding)
        warnings = list(feedback_warnings(client, finding))
    for warning in warnings:
        print_line(f"warning: {warning}", err=True)
    defects_said = f" ({', '.join(defects)})" if defects else ""
    print_line(f"recorded: {line}/{station}/{piece} is {label}{defects_said}")


def feedback_warnings(client: Client, finding: Feedback) -> Iterator[str]:
    """Defects that no bundle calls so: recorded nevertheless, for people may find what no bundle knows."""
    if finding.defects:
        with suppress(ClientError):
            known = client.verdict(finding.inspection)
            model = client.model(finding.inspection.line, finding.inspection.station, known.product)
            yield from _unknown_classes(finding.defects, model)


def _unknown_classes(defects: Iterable[str], model: GetModelResponse) -> Iterator[str]:
    for name in sorted(set(defects) - set(model.classes)):
        meant = likely(name, model.classes) or f"it has {', '.join(model.classes) or 'none'}"
        yield f"{name!r} is no class of bundle {model.bundle}; {meant}"


def time_of(text: str) -> int:
    """Nanoseconds since the Unix epoch of an ISO 8601 time; without a zone it is local time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise click.BadParameter(
            f"{text!r} is none of live, earliest or an ISO 8601 time such as 2026-11-21T06:00", param_hint="--from"
        ) from exc
    return int(moment.timestamp() * 1_000_000) * 1000


def columns(shown: Verdict) -> tuple[str, ...]:
    """A row of the table: time, place, piece, decision, defects, reason, score, absent modalities, latency."""
    moment = datetime.fromtimestamp(shown.publish_ns / 1e9, UTC).astimezone()
    inspection = shown.inspection
    absent = [_absent(item) for item in shown.modalities if item.state != ModalityState.MODALITY_STATE_PRESENT]
    latency_ms = (shown.publish_ns - shown.capture_ns) / 1e6
    return (
        f"{moment:%H:%M:%S}",
        cell(f"{inspection.line}/{inspection.station}"),
        cell(inspection.piece_id) + (f"#{inspection.pass_number}" if inspection.pass_number else ""),
        enum_word(Decision, shown.decision),
        cell(", ".join(defects_of(shown)) or "-"),
        enum_word(DecisionReason, shown.reason),
        f"{shown.defect_score:.3f}" if shown.HasField("defect_score") else "-",
        cell(", ".join(absent) or "-"),
        f"{latency_ms:.0f} ms" + (" late" if shown.deadline_missed else ""),
    )


def _absent(item: Modality) -> str:
    return f"{item.name} implausible" if item.state == ModalityState.MODALITY_STATE_IMPLAUSIBLE else item.name


def without_pictures(shown: Verdict) -> Verdict:
    """The verdict without its heat maps, which no terminal shows."""
    bare = Verdict()
    bare.CopyFrom(shown)
    for image in bare.images:
        image.ClearField("heat_map_png")
    return bare


def _no_status() -> str:
    """A call that has not ended has no status."""
    return ""


def _show(verdicts: Iterable[Verdict], *, as_json: bool) -> None:
    console = Console()
    try:
        if as_json:
            for shown in verdicts:
                text = MessageToJson(without_pictures(shown), preserving_proto_field_name=True, indent=None)
                click.echo(text)
                sys.stdout.flush()
        elif console.is_terminal:
            _show_table(verdicts, console)
        else:
            click.echo("  ".join(COLUMNS), err=True)
            for shown in verdicts:
                click.echo("  ".join(columns(shown)))
                sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _show_table(verdicts: Iterable[Verdict], console: Console) -> None:
    latest: deque[Verdict] = deque(maxlen=NUM_ROWS)
    counts: Counter[str] = Counter()
    with Live(table(latest, counts), console=console, auto_refresh=False) as live:
        for shown in verdicts:
            latest.append(shown)
            counts[enum_word(Decision, shown.decision)] += 1
            live.update(table(latest, counts), refresh=True)


def table(latest: Iterable[Verdict], counts: Counter[str]) -> Group:
    """The latest verdicts, oldest first, and how many of each decision were seen."""
    rows = Table(*COLUMNS, expand=True)
    for shown in latest:
        rows.add_row(*(Text(text) for text in columns(shown)), style=COLOURS.get(shown.decision, "magenta"))
    summary = "  ".join(f"{decision} {count}" for decision, count in sorted(counts.items()))
    return Group(rows, Text(summary or "waiting for verdicts"))
