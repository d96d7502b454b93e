"""A station without a camera: events or traces open its pieces, each of which gets one verdict."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import EventKind, Item, Origin, Rejected, Trace
from streams.join.assembly import AssemblySpec, SensorSpec
from streams.observation import CloseReason, InspectionId, MissingReason, State
from tests.streams.join.join_model import (
    MIC,
    PIECES,
    PRESS,
    SECOND,
    SETTINGS,
    SIGNALS,
    T0,
    Book,
    Log,
    Make,
    chunk,
    event,
    run,
    trace,
)
from tests.streams.join.join_rig import P, Rig, at_s, only

MOTOR = AssemblySpec((), (MIC,))
TAP = AssemblySpec((), (MIC, PRESS))


class SensorBook(Book):
    """One recipe without a camera, for any product."""

    def __init__(self, spec: AssemblySpec = TAP) -> None:
        self._spec = spec

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return self._spec

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {sensor.name: sensor for sensor in self._spec.sensors}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset()

    def traces_open(self, line: str, station: str) -> bool:
        return any(sensor.bind == "piece" for sensor in self._spec.sensors)


def bad_trace(inspection: InspectionId, reason: int = pb.DEAD_LETTER_REASON_BAD_SAMPLES) -> Make:
    return lambda origin: Rejected(
        origin,
        reason,
        "bad",
        inspection.station,
        inspection=inspection,
    )


def wrong_trace(inspection: InspectionId, start_ns: int) -> Make:
    def make(origin: Origin) -> Item:
        item = trace(inspection, start_ns)(origin)
        assert isinstance(item, Trace)
        return replace(item, sample_rate_hz=20.0)

    return make


def test_an_event_opens_a_piece_and_the_stream_completes_it() -> None:
    rig = Rig(book=SensorBook(MOTOR))
    rig.put(PIECES, 0.0, event(P, EventKind.ENTERED, at_s(0)))
    rig.signals(0.5, "mic")
    piece = only(rig.advance())
    assert piece.closing is CloseReason.COMPLETE
    assert piece.views == {}
    assert piece.clips["mic"].state is State.PRESENT
    assert (piece.product, piece.entry_ns, piece.capture_ns) == ("good", at_s(0), at_s(0))


def test_a_trace_without_an_event_opens_its_piece_after_the_delay() -> None:
    rig = Rig(book=SensorBook(AssemblySpec((), (PRESS,))))
    rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    assert rig.pass_s(0.5) == []
    piece = only(rig.pass_s(2.0))
    assert piece.closing is CloseReason.COMPLETE
    assert piece.clips["press"].state is State.PRESENT
    assert (piece.product, piece.entry_ns) == ("", at_s(0.3))
    assert rig.reasons() == []


def test_an_event_within_the_delay_names_product_and_entry_of_a_traces_piece() -> None:
    rig = Rig(book=SensorBook(AssemblySpec((), (PRESS,))))
    rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    assert rig.pass_s(0.5) == []
    rig.put(PIECES, 0.9, event(P, EventKind.ENTERED, at_s(0.1)))
    piece = only(rig.pass_s(0.3))
    assert (piece.product, piece.entry_ns) == ("good", at_s(0.1))


def test_the_window_of_a_stream_counts_from_the_end_of_the_trace_where_no_event_comes() -> None:
    rig = Rig(book=SensorBook(TAP))
    rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    rig.signals(2.0, "mic")
    piece = only(rig.pass_s(3.0))
    assert piece.clips["mic"].first_ns == at_s(0.2)
    assert piece.closing is CloseReason.COMPLETE


@pytest.mark.parametrize("make", [bad_trace(P), wrong_trace(P, at_s(0))])
def test_an_unusable_trace_opens_its_piece_which_is_judged_without_it(make: Make) -> None:
    rig = Rig(book=SensorBook(AssemblySpec((), (PRESS,))))
    rig.put(SIGNALS, 0.3, make)
    piece = only(rig.pass_s(3.0))
    assert piece.closing is CloseReason.PASSED
    assert piece.clips["press"].absence is MissingReason.NOT_RECEIVED
    assert len(rig.reasons()) == 1


def test_a_misaddressed_trace_opens_nothing() -> None:
    rig = Rig(book=SensorBook(AssemblySpec((), (PRESS,))))
    rig.put(SIGNALS, 0.3, bad_trace(P, pb.DEAD_LETTER_REASON_MISADDRESSED))
    assert rig.pass_s(3.0) == []
    assert rig.reasons() == ["MISADDRESSED"]


def test_where_a_recipe_has_a_camera_or_names_a_product_a_trace_still_waits_for_its_piece() -> None:
    for make in (trace(P, at_s(0)), bad_trace(P)):
        rig = Rig()
        rig.put(SIGNALS, 0.3, make)
        assert rig.pass_s(5.0) == []
        assert len(rig.reasons()) == 1


def test_a_trace_older_than_the_horizon_opens_nothing_and_is_a_dead_letter() -> None:
    rig = Rig(book=SensorBook(AssemblySpec((), (PRESS,))))
    rig.put(SIGNALS, 10.0, trace(P._replace(piece_id="q"), at_s(9.7)))
    assert rig.advance() == []
    rig.put(SIGNALS, 10.0, trace(P, at_s(5.0)))
    assert [piece.inspection.piece_id for piece in rig.pass_s(3.0)] == ["q"]
    assert rig.reasons() == ["TOO_OLD"]


def test_a_trace_after_the_verdict_is_late_and_one_sent_twice_a_duplicate() -> None:
    rig = Rig(book=SensorBook(AssemblySpec((), (PRESS,))))
    rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    rig.put(SIGNALS, 0.4, trace(P, at_s(0)))
    only(rig.pass_s(2.0))
    rig.put(SIGNALS, 2.5, trace(P, at_s(0)))
    assert rig.pass_s(2.0) == []
    assert rig.reasons() == ["DUPLICATE", "LATE"]


def test_more_waiting_traces_than_pieces_have_room_for_get_a_verdict_each() -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=3), book=SensorBook(AssemblySpec((), (PRESS,))))
    for number in range(5):
        rig.put(SIGNALS, 0.3, trace(P._replace(piece_id=str(number)), at_s(0)))
    pieces = rig.pass_s(3.0)
    assert Counter(piece.closing for piece in pieces) == {CloseReason.STATE_LIMIT: 2, CloseReason.COMPLETE: 3}
    assert rig.reasons() == []


def test_a_trace_that_came_twice_opens_no_second_piece_when_the_first_one_closes_for_lack_of_room() -> None:
    rig = Rig(replace(SETTINGS, max_open_pieces=1), book=SensorBook(AssemblySpec((), (PRESS,))))
    for _ in range(2):
        rig.put(SIGNALS, 0.3, trace(P, at_s(0)))
    assert [piece.closing for piece in rig.pass_s(3.0)] == [CloseReason.STATE_LIMIT]
    rig.join.settle([P])
    assert (rig.reasons(), rig.offsets()[SIGNALS]) == (["LATE"], 2)


@pytest.mark.parametrize("seed", range(40))
def test_every_piece_gets_one_verdict_in_any_order_and_after_crashes(seed: int) -> None:
    random = Random(seed)
    records = []
    pieces = [InspectionId("line", "a", f"p{number}") for number in range(12)]
    for number, piece in enumerate(pieces):
        entry_ns = T0 + SECOND + number * SECOND // 3
        if random.random() < 0.5:
            at_ns = entry_ns + random.randint(0, SECOND // 2)
            records.append((PIECES, at_ns, event(piece, EventKind.ENTERED, entry_ns)))
        make = random.choice((trace(piece, entry_ns), trace(piece, entry_ns), bad_trace(piece)))
        records += [(SIGNALS, entry_ns + 3 * SECOND // 10 + random.randint(0, SECOND // 2), make)] * random.choice(
            (1, 1, 2)
        )
    for number in range(60):
        records.append((SIGNALS, T0 + (number + 1) * SECOND // 10, chunk(MIC, number * 10, 10)))
    log = run(Log.of(records), random, crash=random.choice((0.0, 0.3)), book=SensorBook(TAP))
    assert Counter(verdict.inspection for verdict in log.verdicts) == dict.fromkeys(pieces, 1)
    origins = Counter(letter.origin for letter in log.letters)
    assert set(origins.values()) <= {1}
    bad = {item.origin for items in log.input.values() for item in items if isinstance(item, Rejected)}
    assert bad <= origins.keys()
