"""What is said where owners before have died."""

import logging

import pytest

from inspector.worker.poison_guard import CarefulDecoder
from streams.decode.process import Decoder
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Assignment, Position
from streams.records import Shard, Topics

TOPICS = Topics("t", "a")
FRAMES, SIGNALS, PIECES = TOPICS.inputs


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ((1, 1), None),
        ((2, 1), "the last worker came no further than its start (t.a.frames from offset 7 to 1009): "),
        (
            (2, 4),
            "the last 3 workers came no further than their start "
            "(t.a.frames from offset 7 to 1009, t.a.signals from offset 7 to 1009): ",
        ),
    ],
)
def test_a_take_over_behind_owners_that_got_nowhere_is_said_once(
    starts: tuple[int, int], words: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    positions = {
        topic: Position(7, OffsetMetadata(9, starts=number).encode())
        for topic, number in zip((FRAMES, SIGNALS), starts, strict=True)
    }
    CarefulDecoder(Decoder()).begin(Assignment(Shard("a", 0), positions, dict.fromkeys(positions, 7)))
    if words is None:
        assert not caplog.messages
    else:
        (said,) = caplog.messages
        assert said.startswith(f"Line a, partition 0: {words}")
