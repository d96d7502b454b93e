"""A crash in the main loop neither loses nor doubles a verdict or a dead letter, over a real embedded log."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_BAD_IMAGE, DeadLetter
from streams.decode.large_images import LargeImages, LargeImageSettings
from streams.decode.limits import Limits
from streams.embedded import EmbeddedLog
from streams.join.assembly import JoinSettings
from tests.line import PNG, DyingSink, PowerCut, build, ends, frame, line_of, publish, work, written

pytestmark = pytest.mark.usefixtures("cores")

NUM_PIECES = 5


@pytest.mark.parametrize("is_written", [False, True])
def test_a_crash_at_the_commit_neither_loses_nor_doubles(log: EmbeddedLog, path: Path, is_written: bool) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    with closing(source), closing(sink), pytest.raises(PowerCut):
        work(build(source, DyingSink(sink, written=is_written))[0], path, NUM_PIECES)
    source, sink = ends(log)
    with closing(source), closing(sink):
        verdicts = work(build(source, sink)[0], path, NUM_PIECES)
    assert sorted(verdict.inspection.piece_id for verdict in verdicts) == [f"p{n}" for n in range(NUM_PIECES)]


@pytest.mark.parametrize(("after", "is_written"), [(0, False), (1, True), (2, False)])
def test_a_crash_while_a_batch_is_judged_in_parts_neither_loses_nor_doubles(
    log: EmbeddedLog, path: Path, after: int, is_written: bool
) -> None:
    """Three images of 64 bytes have room, so that pieces are judged, and committed, before the next is decoded."""
    small = replace(JoinSettings(), max_open_bytes=200, max_delay_s=0.2)
    count = 20
    publish(log, [frame(f"p{number}", time.time_ns()) for number in range(count)])
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, _ = build(source, DyingSink(sink, written=is_written, after=after), join=small)
        pipeline._settings = replace(pipeline._settings, max_verdicts_per_commit=3)
        with pytest.raises(PowerCut):
            work(pipeline, path, count)
    source, sink = ends(log)
    with closing(source), closing(sink):
        verdicts = work(build(source, sink, join=small)[0], path, count)
    assert sorted(verdict.inspection.piece_id for verdict in verdicts) == sorted(f"p{n}" for n in range(count))


@pytest.mark.parametrize(("after", "is_written"), [(0, False), (0, True), (2, False), (2, True)])
def test_large_images_have_their_verdicts_and_dead_letters_once_through_a_crash(
    log: EmbeddedLog, path: Path, after: int, is_written: bool
) -> None:
    """Every image counts as large here, and every third is damaged."""
    count, bad = 12, [f"p{n}" for n in range(0, 12, 3)]
    damaged = PNG[:50] + bytes([PNG[50] ^ 1]) + PNG[51:]
    names = [f"p{n}" for n in range(count)]
    publish(log, [frame(name, time.time_ns(), damaged if name in bad else PNG) for name in names])
    quick, any_size = replace(JoinSettings(), max_delay_s=0.2), LargeImageSettings(min_bytes=1)
    source, sink = ends(log)
    with closing(source), closing(sink), closing(LargeImages(Limits(), settings=any_size)) as large:
        pipeline, _ = build(source, DyingSink(sink, written=is_written, after=after), join=quick, large=large)
        pipeline._settings = replace(pipeline._settings, max_verdicts_per_commit=3)
        with pytest.raises(PowerCut):
            work(pipeline, path, count)
    source, sink = ends(log)
    with closing(source), closing(sink), closing(LargeImages(Limits(), settings=any_size)) as large:
        verdicts = work(build(source, sink, join=quick, large=large)[0], path, count)
    assert sorted(verdict.inspection.piece_id for verdict in verdicts) == sorted(names)
    letters = [DeadLetter.FromString(value) for value in written(path, "dead-letters")]
    assert sorted(letter.inspection.piece_id for letter in letters) == sorted(bad)
    assert {letter.reason for letter in letters} == {DEAD_LETTER_REASON_BAD_IMAGE}
