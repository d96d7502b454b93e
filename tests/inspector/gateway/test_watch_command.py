"""`inspector watch`, `verdict` and `feedback` against a real gateway."""

import io
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from inspector.cli import connecting
from inspector.cli.watch import feedback, table, time_of, verdict, watch, without_pictures
from inspector.client.client import Client
from inspector.gateway.server import Gateway
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from protos.inspection.v1.verdict_pb2 import Decision, ImageEvidence, ModalityState, Verdict
from streams.records import Record
from tests.inspector.gateway.memory_log import MemoryLog

Put = Callable[..., Record]
Gateways = Callable[..., Gateway]


def run(gateway: Gateway, command: click.Command, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--address", gateway.address, *arguments])


def test_json_lines(gateways: Gateways, put: Put) -> None:
    for number in range(3):
        put(number, fail=number == 1)
    result = run(gateways(), watch, "--from", "earliest", "--count", "3", "--json")
    shown = [json.loads(line) for line in result.output.splitlines()]
    assert [line["inspection"]["piece_id"] for line in shown] == ["000000", "000001", "000002"]


def test_plain_lines_and_filter(gateways: Gateways, put: Put) -> None:
    for number in range(4):
        put(number, fail=number >= 2)
    result = run(gateways(), watch, "--from", "earliest", "--count", "2", "--decision", "fail")
    assert [line.split()[2:4] for line in result.stdout.splitlines()] == [["000002", "FAIL"], ["000003", "FAIL"]]


def test_an_unreadable_time_is_said() -> None:
    with pytest.raises(click.BadParameter, match="'yesterday' is none of live, earliest"):
        time_of("yesterday")


def test_time_with_a_zone() -> None:
    assert time_of("1970-01-01T00:00:01.5+00:00") == 1_500_000_000


def test_verdict_of_a_piece(gateways: Gateways, put: Put) -> None:
    put(7)
    gateway = gateways()
    assert json.loads(run(gateway, verdict, "a", "s0", "000007").output)["decision"] == "DECISION_PASS"
    missing = run(gateway, verdict, "a", "s0", "000008")
    assert missing.exit_code == 1
    assert "NOT_FOUND" in missing.output


def test_feedback_reaches_the_log(gateways: Gateways, log: MemoryLog, put: Put) -> None:
    put(1)
    result = run(gateways(), feedback, "a", "s0", "000001", "nok", "--defect", "dent", "--author", "eva")
    assert result.exit_code == 0, result.output
    kept = Feedback.FromString(log.others[0].value)
    assert (kept.label, list(kept.defects), kept.author) == (Label.LABEL_NOK, ["dent"], "eva")


def test_anybody_who_cannot_tell_may_say_so(gateways: Gateways, log: MemoryLog, put: Put) -> None:
    put(1)
    result = run(gateways(), feedback, "a", "s0", "000001", "unsure", "--author", "eva")
    assert result.exit_code == 0, result.output
    assert Feedback.FromString(log.others[0].value).label == Label.LABEL_UNSURE


def test_half_a_client_certificate_is_refused(gateways: Gateways) -> None:
    result = run(gateways(), watch, "--tls-cert", __file__)
    assert result.exit_code == 2
    assert "belong together" in result.output


def test_the_table_shows_what_is_absent_and_how_many() -> None:
    shown = Verdict(
        inspection=Inspection(line="a", station="s", piece_id="p[1]", pass_number=2), decision=Decision.DECISION_REVIEW
    )
    shown.modalities.add(name="mic", state=ModalityState.MODALITY_STATE_STALE)
    shown.modalities.add(name="top", state=ModalityState.MODALITY_STATE_PRESENT)
    shown.modalities.add(name="side", state=ModalityState.MODALITY_STATE_IMPLAUSIBLE)
    console = Console(width=160, file=io.StringIO())
    console.print(table([shown], Counter(REVIEW=4)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(word in text for word in ("p[1]#2", "REVIEW 4", "mic", "side", "implausible"))
    assert "top" not in text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "FIRST_S", 0.05)
    monkeypatch.setattr(connecting, "EVERY_S", 0.05)


@pytest.mark.usefixtures("impatient")
def test_watching_says_that_no_gateway_answers_until_one_does(gateways: Gateways, put: Put) -> None:
    """And JSON on stdout stays JSON."""
    put(1)
    first = gateways()
    first.stop()
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(run, first, watch, "--from", "earliest", "--count", "1", "--json")
        time.sleep(0.5)
        gateways(listen=first.address)
        result = watching.result(20)
    assert json.loads(result.stdout)["inspection"]["piece_id"] == "000001"
    assert f"connecting to {first.address} … (UNAVAILABLE: " in result.stderr
    assert len(result.stderr.splitlines()) > 2


@pytest.mark.usefixtures("impatient")
def test_watching_says_that_all_places_are_taken(gateways: Gateways, put: Put) -> None:
    gateway = gateways(max_watchers=1)
    put(1)
    with Client(gateway.address) as client, ThreadPoolExecutor(1) as pool:
        held = client.watch()
        pool.submit(lambda: list(held))
        assert held.positioned.wait(60)
        watching = pool_run(gateway, "--from", "earliest", "--count", "1")
        time.sleep(0.5)
        held.close()
        result = watching()
    assert "RESOURCE_EXHAUSTED: 1 watchers, as many as allowed" in result.stderr
    assert "000001" in result.stdout


def pool_run(gateway: Gateway, *arguments: str) -> Callable[[], Result]:
    pool = ThreadPoolExecutor(1)
    watching = pool.submit(run, gateway, watch, *arguments)
    pool.shutdown(wait=False)
    return lambda: watching.result(20)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("arguments", [(verdict, "a", "s", "1"), (feedback, "a", "s", "1", "ok")])
def test_a_gateway_that_takes_no_connection_is_said(arguments: tuple[click.Command, str]) -> None:
    """A port that accepts but never answers: the call has no status until its timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as pool:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        call = pool.submit(CliRunner().invoke, arguments[0], ["--address", address, *arguments[1:]])
        time.sleep(0.5)
        silent.close()
        result = call.result(30)
    assert f"connecting to {address} … (no answer yet)" in result.stderr
    assert result.exit_code == 1


HOSTILE = "\x1b]0;x\x07\npiece\r\x9b31m\u202e"


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_escapes_in_verdicts_do_not_reach_the_terminal(
    gateways: Gateways, log: MemoryLog, arguments: tuple[str, ...]
) -> None:
    inspection = Inspection(line="a", station=HOSTILE, piece_id=HOSTILE + "y" * 10_000)
    shown = Verdict(inspection=inspection, decision=Decision.DECISION_PASS)
    shown.modalities.add(name=HOSTILE, state=ModalityState.MODALITY_STATE_MISSING)
    log.append(log.partitions[0], shown.SerializeToString())
    result = run(gateways(), watch, "--from", "earliest", "--count", "1", *arguments)
    (line,) = result.stdout.removesuffix("\n").split("\n")
    assert line.isprintable()
    assert arguments or len(line) < 1000


def test_heat_maps_stay_out_of_json() -> None:
    shown = Verdict(images=[ImageEvidence(camera="top", heat_map_png=b"x" * 1000)])
    assert without_pictures(shown).images[0] == ImageEvidence(camera="top")
