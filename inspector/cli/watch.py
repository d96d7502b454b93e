"""`inspector watch`, `verdict` and `feedback`: what a gateway knows, in a terminal. Knows no log."""

import itertools
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from google.protobuf.json_format import MessageToJson
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inspector.cli.connecting import waiting_said
from inspector.cli.printable import cell, printable
from inspector.client.client import Client, ClientError, ClientTls, WatchOptions
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Modality, ModalityState, Verdict

COLOURS = {Decision.DECISION_PASS: "green", Decision.DECISION_FAIL: "red", Decision.DECISION_REVIEW: "yellow"}
NUM_ROWS = 20
DECISIONS = {
    "pass": Decision.DECISION_PASS,
    "fail": Decision.DECISION_FAIL,
    "review": Decision.DECISION_REVIEW,
}
PEM = click.Path(path_type=Path, exists=True, dir_okay=False)
Command = TypeVar("Command", bound=Callable[..., None])


def connection(command: Command) -> Command:
    """The options that every command of a client has."""
    for option in (
        click.option("--tls-key", type=PEM, help="Own key, for mutual TLS."),
        click.option("--tls-cert", type=PEM, help="Own certificate, for mutual TLS."),
        click.option("--tls-ca", type=PEM, help="Authority of the gateway's certificate; turns TLS on."),
        click.option("--address", default="127.0.0.1:50051", show_default=True, help="Where the gateway listens."),
    ):
        command = option(command)
    return command


@click.command()
@connection
@click.option("--line", "lines", multiple=True, help="Only this line; may be given again.")
@click.option("--station", "stations", multiple=True, help="Only this station; may be given again.")
@click.option("--product", "products", multiple=True, help="Only this product; may be given again.")
@click.option("--decision", "decisions", multiple=True, type=click.Choice(tuple(DECISIONS)), help="May be given again.")
@click.option("--from", "begin", default="live", show_default=True, help="live, earliest or an ISO 8601 time.")
@click.option("--count", type=click.IntRange(1), help="Ends after so many verdicts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, without the heat maps.")
def watch(
    address: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    lines: tuple[str, ...],
    stations: tuple[str, ...],
    products: tuple[str, ...],
    decisions: tuple[str, ...],
    begin: str,
    count: int | None,
    as_json: bool,
) -> None:
    """Shows verdicts as they come: a table in a terminal, a line each elsewhere. Goes on when the gateway restarts."""
    wanted = tuple(DECISIONS[decision] for decision in decisions)
    start_time_ns = None if begin in {"live", "earliest"} else time_of(begin)
    options = WatchOptions(lines, stations, products, wanted, start_time_ns=start_time_ns, earliest=begin == "earliest")
    with _client(address, tls_ca, tls_cert, tls_key) as client:
        watching = client.watch(options)
        verdicts = (verdict for verdict, _ in itertools.islice(watching, count))
        with waiting_said(address, lambda: watching.trouble):
            _show(verdicts, as_json=as_json)


@click.command()
@connection
@click.argument("line")
@click.argument("station")
@click.argument("piece")
@click.option("--pass", "pass_number", default=0, show_default=True, type=click.IntRange(0), help="Pass of the piece.")
def verdict(
    address: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    line: str,
    station: str,
    piece: str,
    pass_number: int,
) -> None:
    """Prints the recent verdict of one piece as JSON."""
    with _client(address, tls_ca, tls_cert, tls_key) as client:
        inspection = Inspection(line=line, station=station, piece_id=piece, pass_number=pass_number)
        with waiting_said(address, _no_status):
            answer = client.verdict(inspection)
        click.echo(MessageToJson(without_pictures(answer), preserving_proto_field_name=True))


@click.command()
@connection
@click.argument("line")
@click.argument("station")
@click.argument("piece")
@click.argument("label", type=click.Choice(("ok", "nok")))
@click.option("--pass", "pass_number", default=0, show_default=True, type=click.IntRange(0), help="Pass of the piece.")
@click.option("--defect", "defects", multiple=True, help="A defect that was found; may be given again.")
@click.option("--author", default="", help="Who looked.")
@click.option("--note", default="", help="Anything worth keeping.")
def feedback(
    address: str,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    line: str,
    station: str,
    piece: str,
    label: str,
    pass_number: int,
    defects: tuple[str, ...],
    author: str,
    note: str,
) -> None:
    """Files what a person found about a piece."""
    inspection = Inspection(line=line, station=station, piece_id=piece, pass_number=pass_number)
    finding = Feedback(
        inspection=inspection,
        label=Label.LABEL_OK if label == "ok" else Label.LABEL_NOK,
        defects=defects,
        author=author,
        note=note,
        given_ns=time.time_ns(),
    )
    with _client(address, tls_ca, tls_cert, tls_key) as client, waiting_said(address, _no_status):
        client.submit_feedback(finding)


def time_of(text: str) -> int:
    """Nanoseconds since the Unix epoch of an ISO 8601 time; without a zone it is local time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise click.BadParameter(
            f"{text!r} is none of live, earliest or an ISO 8601 time such as 2026-11-21T06:00", param_hint="--from"
        ) from exc
    return int(moment.timestamp() * 1_000_000) * 1000


def words(shown: Verdict) -> tuple[str, ...]:
    """Time, place, piece, decision, reason, score, modalities that do not count, latency: a row of the table."""
    moment = datetime.fromtimestamp(shown.publish_ns / 1e9, UTC).astimezone()
    named = shown.inspection
    absent = [_absent(item) for item in shown.modalities if item.state != ModalityState.MODALITY_STATE_PRESENT]
    latency_ms = (shown.publish_ns - shown.capture_ns) / 1e6
    return (
        f"{moment:%H:%M:%S}",
        cell(f"{named.line}/{named.station}"),
        cell(named.piece_id) + (f"#{named.pass_number}" if named.pass_number else ""),
        enum_word(Decision, shown.decision),
        enum_word(DecisionReason, shown.reason),
        f"{shown.defect_score:.3f}" if shown.HasField("defect_score") else "-",
        cell(", ".join(absent) or "-"),
        f"{latency_ms:.0f} ms",
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


@contextmanager
def _client(address: str, ca: Path | None, cert: Path | None, key: Path | None) -> Iterator[Client]:
    if (cert is None) != (key is None) or (cert is not None and ca is None):
        raise click.UsageError("--tls-cert and --tls-key belong together, and need --tls-ca")
    try:
        with Client(address, None if ca is None else ClientTls(ca, cert, key)) as client:
            yield client
    except ClientError as error:
        raise click.ClickException(printable(f"{address}: {error}")) from error


def _no_status() -> str:
    """Of a call that has not ended."""
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
            for shown in verdicts:
                click.echo("  ".join(words(shown)))
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
    rows = Table("time", "station", "piece", "decision", "reason", "score", "absent", "latency", expand=True)
    for shown in latest:
        rows.add_row(*(Text(word) for word in words(shown)), style=COLOURS.get(shown.decision, "magenta"))
    summary = "  ".join(f"{decision} {count}" for decision, count in sorted(counts.items()))
    return Group(rows, Text(summary or "waiting for verdicts"))
