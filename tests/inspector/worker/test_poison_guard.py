"""The log line about earlier owners that crashed."""

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
    ("starts", "beginning", "places"),
    [
        ((1, 1), None, ""),
        ((2, 1), "the last worker ended early without progress.", "t.a.frames from offset 7 to 1009. "),
        (
            (2, 4),
            "the last 3 workers ended early without progress.",
            "t.a.frames from offset 7 to 1009, t.a.signals from offset 7 to 1009. ",
        ),
    ],
)
def test_a_take_over_after_owners_without_progress_is_logged_once(
    starts: tuple[int, int], beginning: str | None, places: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    positions = {
        topic: Position(7, OffsetMetadata(9, starts=number).encode())
        for topic, number in zip((FRAMES, SIGNALS), starts, strict=True)
    }
    CarefulDecoder(Decoder()).begin(Assignment(Shard("a", 0), positions, dict.fromkeys(positions, 7)))
    if beginning is None:
        assert not caplog.messages
    else:
        (message,) = caplog.messages
        assert message.startswith(f"Line a, partition 0: {beginning}")
        assert f"child process: {places}" in message
