"""Sends a running service records and requests that cannot be used, and reports the result of each.

    python -m tests.integration.malformed_report --log kafka --out run/malformed.md

Through the log each becomes one dead letter, and inspections that enter nevertheless get their verdict; through
`Inspect` each is refused. The service's memory is sampled while they are sent.
"""

import argparse
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import psutil

from inspector.client.client import Client
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectResponse
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.records import Output, Topics
from tests.integration.fault_run import Options, broker_for
from tests.integration.faults import wait_for
from tests.integration.service_line import Look, ServiceLine, Stored, serving
from tests.malformed import CHUNK, EVENT, FRAME, NS, TRACE, Malformed, malformed, request_bytes

INLINE = (FRAME, CHUNK, TRACE)
NUM_WARM_UP = 20
SAMPLE_S = 0.005
Letters = dict[tuple[str, int, int], list[pb.DeadLetter]]


@dataclass
class Row:
    """Results of one record."""

    record: Malformed
    letters: list[pb.DeadLetter]
    verdicts: list[str]
    inline: str
    """Status of `Inspect`, or its decision; empty where the record does not fit into a request."""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        reasons = ", ".join(reason_of(letter.reason) for letter in self.letters)
        return self.record.name, reasons or "-", ", ".join(self.verdicts) or "-", self.inline or "-"


@dataclass
class Outcome:
    """Results of a run."""

    rows: list[Row]
    unexpected_letters: int
    """Dead letters about records that are not in the log."""
    good: Verdict
    good_inline: Verdict
    memory: "Memory"
    seconds: float


@dataclass
class Memory:
    """Resident bytes of a process: before, and the most that was seen."""

    before: int
    peak: int = 0
    samples: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    @property
    def growth(self) -> int:
        return self.peak - self.before

    def sample(self, process: psutil.Process) -> None:
        while not self._done.wait(SAMPLE_S):
            self.peak, self.samples = max(self.peak, process.memory_info().rss), self.samples + 1

    def stop(self) -> None:
        self._done.set()


@contextmanager
def sampled(pid: int) -> Iterator[Memory]:
    process = psutil.Process(pid)
    memory = Memory(process.memory_info().rss)
    thread = threading.Thread(target=memory.sample, args=(process,))
    thread.start()
    try:
        yield memory
    finally:
        memory.stop()
        thread.join()


def fresh(record: Malformed, piece: str) -> Malformed:
    """Where its inspection enters: the same record with another piece id, captured now if its time was valid."""
    if not record.enters:
        return record
    message: pb.CameraFrame | pb.PieceEvent
    if record.type == EVENT:
        message = pb.PieceEvent.FromString(record.value)
        message.event_ns = time.time_ns() if message.event_ns == NS else message.event_ns
    else:
        message = pb.CameraFrame.FromString(record.value)
        message.capture_ns = time.time_ns() if message.capture_ns == NS else message.capture_ns
    message.inspection.piece_id = piece
    return replace(record, value=message.SerializeToString())


def examine(line: ServiceLine) -> Outcome:
    """Warms the service up, sends everything, and asks for one more good piece."""
    sent = {f"bad-{number}": fresh(record, f"bad-{number}") for number, record in enumerate(malformed())}
    entering = [piece for piece, record in sent.items() if record.enters]
    with serving(line) as (process, client):
        _warm_up(line, client)
        begin_s = time.monotonic()
        with sampled(process.pid) as memory:
            line.publish([to_record(record, line.topics) for record in sent.values()])
            inline = ask(line.address, [record for record in malformed() if record.type in INLINE])
            wait_for(lambda: len(line.stored("dead-letters")) >= len(sent), 60, "the dead letters")
            line.wait_for_verdicts(entering, 60)
            line.publish(line.piece("good", Look()))
            line.wait_for_verdicts(["good"])
            good_inline = client.inspect(Look().request("good"))
        seconds = time.monotonic() - begin_s
    return _outcome(line, sent, inline, Outcome([], 0, Verdict(), good_inline, memory, seconds))


def _warm_up(line: ServiceLine, client: Client) -> None:
    """Doubtful pieces, so that every expert has run."""
    pieces = [f"warm-{number}" for number in range(NUM_WARM_UP)]
    begin_ns = time.time_ns() - NUM_WARM_UP * 10**8
    for number, piece in enumerate(pieces):
        line.publish(line.piece(piece, Look(0.75, 0.25), capture_ns=begin_ns + number * 10**8))
        client.inspect(Look(0.75, 0.25).request(piece))
    line.wait_for_verdicts(pieces)


def ask(address: str, records: Sequence[Malformed]) -> dict[str, str]:
    """Answers of `Inspect`, by name of the record."""
    answers: dict[str, str] = {}
    with grpc.insecure_channel(address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, str] = channel.unary_unary(
            "/inspection.v1.InspectionService/Inspect", response_deserializer=_decided
        )
        for record in records:
            try:
                answers[record.name] = call(request_bytes(record), timeout=30)
            except grpc.RpcError as error:
                answers[record.name] = _refused(error)
    return answers


def _refused(error: grpc.RpcError) -> str:
    """The status, with the reason where the gateway gave one."""
    reasons = [item.value for item in error.trailing_metadata() or () if item.key == "reason"]
    return " / ".join([error.code().name, *map(str, reasons)])


def _decided(response: bytes) -> str:
    return decision_text(InspectResponse.FromString(response).verdict)


def to_record(record: Malformed, topics: Topics) -> Output:
    return Output(topics.of(record.kind), None, record.key, record.value, record.type)


def decision_text(verdict: Verdict) -> str:
    decision = Decision.Name(verdict.decision).removeprefix("DECISION_")
    return f"{decision} / {DecisionReason.Name(verdict.reason).removeprefix('DECISION_REASON_')}"


def reason_of(reason: int) -> str:
    return pb.DeadLetterReason.Name(pb.DeadLetterReason.ValueType(reason)).removeprefix("DEAD_LETTER_REASON_")


def _outcome(line: ServiceLine, sent: dict[str, Malformed], inline: dict[str, str], outcome: Outcome) -> Outcome:
    letters: Letters = {}
    for stored in line.stored("dead-letters"):
        letter = pb.DeadLetter.FromString(stored.value)
        letters.setdefault((letter.topic, letter.partition, letter.offset), []).append(letter)
    places = {_identity(record): record for kind in ("frames", "signals", "pieces") for record in line.stored(kind)}
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in line.verdicts():
        verdicts.setdefault(verdict.inspection.piece_id, []).append(verdict)
    for piece, record in sent.items():
        output = to_record(record, line.topics)
        place = places[output.topic, output.key, output.value, output.type]
        dead_letters = letters.pop((place.topic, place.partition, place.offset), [])
        decisions = [decision_text(verdict) for verdict in verdicts.get(piece, [])]
        outcome.rows.append(Row(record, dead_letters, decisions, inline.get(record.name, "")))
    outcome.unexpected_letters = sum(map(len, letters.values()))
    (outcome.good,) = verdicts["good"]
    return outcome


def _identity(stored: Stored) -> tuple[str, bytes, bytes, str]:
    return stored.topic, stored.key, stored.value, stored.type


def table(outcome: Outcome, log: str) -> str:
    """The table in Markdown, with its sums."""
    head = (f"| input | {log}: dead letter | {log}: verdict | `Inspect` |", "|---|---|---|---|")
    rows = [f"| {' | '.join(row.cells)} |" for row in outcome.rows]
    reasons = Counter(reason_of(letter.reason) for row in outcome.rows for letter in row.letters)
    answers = Counter(row.inline for row in outcome.rows if row.inline)
    memory = outcome.memory
    figures = (
        f"{len(rows)} records; dead letters: {_counts(reasons)}; unexpected: {outcome.unexpected_letters}",
        f"`Inspect`: {_counts(answers)}",
        f"the next good piece: {decision_text(outcome.good)}, through `Inspect` {decision_text(outcome.good_inline)}",
        f"memory: {memory.before / 1e6:.0f} MB before, at most {memory.peak / 1e6:.0f} MB, growth "
        f"{memory.growth / 1e6:.1f} MB ({memory.samples} samples); {outcome.seconds:.1f} s",
    )
    return "\n".join((*head, *rows, "", *figures))


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


def main() -> None:
    parser = argparse.ArgumentParser(description="Result of every malformed record in a running service.")
    parser.add_argument("--log", choices=("kafka", "embedded"), default="kafka")
    parser.add_argument("--out", type=Path, help="file for the table; printed otherwise")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="malformed-") as folder,
        broker_for(Options(options.log, 0, 0.0, Path(folder), {})) as (bootstrap, _),
    ):
        text = table(examine(ServiceLine.make(Path(folder), bootstrap)), options.log)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
