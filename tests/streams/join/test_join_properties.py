"""Whatever the order, the delay, the doubling and the loss of records, and wherever the process dies: one verdict per
inspection, one dead letter per useless record, no sample outside its window.

`JOIN_EXAMPLES=3000 pytest tests/streams/join/test_join_properties.py` is the long form.
"""

import os
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.decode.items import Chunk, EventKind, Frame, Rejected
from streams.observation import CloseReason, InspectionId, Observation, State
from streams.records import TopicPartition
from tests.streams.join.join_model import (
    FRAMES,
    MIC,
    NEAR,
    PIECES,
    RATE_HZ,
    SECOND,
    SETTINGS,
    SIGNALS,
    T0,
    Log,
    Make,
    bad_frame,
    chunk,
    event,
    frame,
    reference,
    run,
    trace,
)

EXAMPLES = int(os.environ.get("JOIN_EXAMPLES", "30"))
PROFILE = settings(max_examples=EXAMPLES, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
Records = list[tuple[TopicPartition, int, Make]]
DURATION_S = 5


class Line:
    """Makes the records of a line with everyday faults; `max_delay_ns` bounds capture to append."""

    def __init__(self, random: Random, max_delay_ns: int, chunk_delay_ns: int) -> None:
        self.random, self.max_delay_ns, self.chunk_delay_ns = random, max_delay_ns, chunk_delay_ns
        self.event_delay_ns = max_delay_ns if max_delay_ns >= SECOND else 0
        self.records: Records = []

    def put(self, at: TopicPartition, event_ns: int, make: Make) -> None:
        limit_ns = {SIGNALS: self.chunk_delay_ns, PIECES: self.event_delay_ns, FRAMES: self.max_delay_ns}[at]
        if self.random.random() < 0.05:
            return
        for _ in range(2 if self.random.random() < 0.1 else 1):
            self.records.append((at, event_ns + self.random.randint(0, limit_ns), make))

    def piece(self, inspection: InspectionId, entry_ns: int) -> None:
        sometimes = self.random.random
        if sometimes() < 0.05:
            self.put(PIECES, entry_ns, event(inspection, EventKind.ENTERED, entry_ns, product="unknown"))
            return
        if sometimes() < 0.5:
            self.put(PIECES, entry_ns, event(inspection, EventKind.ENTERED, entry_ns))
        for camera, sequence in (("top", 0), ("side", 0), ("side", 1)):
            self.shot(inspection, camera, sequence, entry_ns + self.random.randint(0, SECOND // 4))
        if sometimes() < 0.8:
            self.put(SIGNALS, entry_ns + 3 * SECOND // 10, trace(inspection, entry_ns))
        if sometimes() < 0.2:
            left_ns = entry_ns + 3 * SECOND // 10
            self.put(PIECES, left_ns, event(inspection, EventKind.LEFT, left_ns))

    def shot(self, inspection: InspectionId, camera: str, sequence: int, capture_ns: int) -> None:
        kind = self.random.random()
        if kind < 0.05:
            self.put(FRAMES, capture_ns, bad_frame(inspection, camera, capture_ns))
        elif kind < 0.15:
            uri = self.random.choice(("good", "bad"))
            self.put(FRAMES, capture_ns, reference(inspection, camera, sequence, capture_ns, uri))
        elif kind < 0.18:
            self.put(FRAMES, capture_ns, frame(inspection, "unheard-of", sequence, capture_ns))
        else:
            self.put(FRAMES, capture_ns, frame(inspection, camera, sequence, capture_ns))

    def signals(self, station: str) -> None:
        for sensor in (MIC, NEAR):
            num = self.random.choice((10, 20, 40))
            for first in range(-50, (DURATION_S + 2) * 100, num):
                end_ns = T0 + (first + num) * SECOND // 100
                start_ns = T0 + first * SECOND // 100
                make = chunk(sensor, first + 50, num, station=station, start_ns=start_ns)
                self.put(SIGNALS, end_ns, make)

    def whole(self) -> Log:
        for station in ("a", "b"):
            self.signals(station)
            for number in range(self.random.randint(1, 5)):
                entry_ns = T0 + self.random.randint(0, DURATION_S * SECOND)
                self.piece(InspectionId("line", station, f"p{number}"), entry_ns)
        return Log.of(self.records)


def seen(verdicts: list[Observation]) -> dict[InspectionId, object]:
    return {
        each.inspection: (
            each.closing,
            each.entry_ns,
            sorted((name, view.offsets) for name, view in each.views.items() if view.state is State.PRESENT),
            sorted(
                (name, () if clip.samples is None else tuple(clip.samples[:, 0].tolist()), clip.spans)
                for name, clip in each.clips.items()
                if clip.state is State.PRESENT
            ),
        )
        for each in verdicts
    }


def check_clips(each: Observation) -> None:
    """Every sample's index tells its time, which lies in the window; whole windows have all their samples."""
    for sensor in (MIC, NEAR):
        clip = each.clips.get(sensor.name)
        if clip is None or clip.samples is None:
            continue
        assert len(clip.samples) == int((sensor.end_s - sensor.start_s) * RATE_HZ + 1e-6)
        slots = [slot for slot, value in enumerate(clip.samples[:, 0].tolist()) if value]
        times_ns = [T0 + (int(clip.samples[slot, 0]) - 50) * SECOND // 100 for slot in slots]
        if sensor is MIC:
            start_ns, end_ns = each.entry_ns - SECOND // 10, each.entry_ns + 4 * SECOND // 10
            assert all(start_ns <= time_ns < end_ns for time_ns in times_ns)
            assert slots == [(time_ns - start_ns) * 100 // SECOND for time_ns in times_ns]
        if clip.coverage == 1.0:
            assert set(np.diff(clip.samples[:, 0]).tolist()) <= {1.0}
        assert clip.coverage >= sensor.min_coverage


def check_inputs(each: Observation, log: Log) -> None:
    """The observation names the records that it was made of."""
    for view in each.views.values():
        assert list(view.offsets) == [int(image[0, 0]) for image in view.images]
    for sensor in (MIC, NEAR):
        clip = each.clips.get(sensor.name)
        for span in () if clip is None else clip.spans:
            assert clip is not None and clip.samples is not None  # noqa: PT018
            indices = clip.samples[span.at : span.at + span.num_samples, 0]
            assert indices.tolist() == list(range(span.first_sample, span.first_sample + span.num_samples))
            chunks = [log.input[SIGNALS][offset] for offset in span.offsets]
            assert {item.sensor for item in chunks if isinstance(item, Chunk)} == {sensor.name}


def check_accounts(log: Log) -> None:
    """One verdict per inspection, at most one letter per record, and nothing both used and dead."""
    assert max(Counter(each.inspection for each in log.verdicts).values(), default=0) <= 1
    letters = Counter((each.origin.topic, each.origin.offset) for each in log.letters)
    assert max(letters.values(), default=0) <= 1
    verdicts = {each.inspection: each for each in log.verdicts}
    for item in log.input[FRAMES]:
        is_dead = (FRAMES.topic, item.origin.offset) in letters
        if isinstance(item, Rejected):
            assert is_dead
        elif isinstance(item, Frame):
            verdict = verdicts.get(item.inspection)
            is_used = verdict is not None and any(
                int(image[0, 0]) == item.origin.offset for view in verdict.views.values() for image in view.images
            )
            needs_none = verdict is not None and verdict.closing in (CloseReason.ABORTED, CloseReason.NO_RECIPE)
            assert is_used != is_dead or (needs_none and not is_used)
    for verdict in log.verdicts:
        check_clips(verdict)
        check_inputs(verdict, log)


def named(log: Log) -> set[InspectionId]:
    """Inspections that a frame or event names, readable pixels or not."""
    items = [*log.input[FRAMES], *log.input[PIECES]]
    return {item.inspection for item in items if not isinstance(item, Rejected | Chunk)} | {
        item.entry.inspection for item in items if isinstance(item, Rejected) and item.entry
    }


@PROFILE
@given(st.integers(0, 2**64 - 1))
def test_delays_within_the_tolerance_and_crashes_change_no_verdict(seed: int) -> None:
    random = Random(seed)
    log = Line(random, max_delay_ns=8 * SECOND // 10, chunk_delay_ns=SECOND // 10).whole()
    calm, stormy = run(log, random), run(log, random, crash=0.3)
    for each in (calm, stormy):
        check_accounts(each)
        assert {verdict.inspection for verdict in each.verdicts} == named(log)
    assert seen(calm.verdicts) == seen(stormy.verdicts)


@PROFILE
@given(st.integers(0, 2**64 - 1), st.integers(1, 12))
def test_any_delay_and_any_crash_keep_the_accounts(seed: int, max_delay_s: int) -> None:
    random = Random(seed)
    line = Line(random, max_delay_ns=max_delay_s * SECOND, chunk_delay_ns=random.choice((0, 1, 8)) * SECOND)
    log = line.whole()
    small = replace(SETTINGS, max_open_pieces=random.choice((2, 256)), max_open_bytes=random.choice((40, 10**9)))
    outcome = run(log, random, crash=0.3, settings=small)
    check_accounts(outcome)
    dead = {(each.origin.topic, each.origin.offset) for each in outcome.letters}
    entered = {
        item.inspection
        for at in (FRAMES, PIECES)
        for item in log.input[at]
        if not isinstance(item, Rejected | Chunk) and (at.topic, item.origin.offset) not in dead
    }
    judged = {each.inspection for each in outcome.verdicts}
    assert entered <= judged <= named(log)
