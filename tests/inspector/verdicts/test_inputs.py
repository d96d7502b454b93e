"""The records that were judged are named in the verdict, and these names read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.verdicts.inputs import inputs_of, offsets_of, steps_of
from streams.observation import Clip, CloseReason, InspectionId, Observation, Span, State, View

IMAGE = np.zeros((4, 4), np.uint8)


def observation(views: list[View], clips: list[Clip], partition: int | None = 3) -> Observation:
    return Observation(
        inspection=InspectionId("l", "s", "p"),
        product="a",
        lot="",
        closing=CloseReason.COMPLETE,
        views={view.camera: view for view in views},
        clips={clip.sensor: clip for clip in clips},
        entry_ns=1,
        capture_ns=1,
        append_ns=1,
        arrival_ns=1,
        partition=partition,
    )


@given(st.lists(st.integers(min_value=0, max_value=2**62), max_size=20))
def test_offsets_read_back(offsets: list[int]) -> None:
    assert offsets_of(steps_of(offsets)) == offsets


def test_cameras_and_sensors_with_recordings_are_named() -> None:
    spans = (Span(0, "s-1", 100, 20, (70_000, 70_004)), Span(25, "s-2", 0, 5, (70_009,)))
    samples = np.zeros((30, 1), np.float32)
    inputs = inputs_of(
        observation(
            [View("top", (IMAGE, IMAGE), State.PRESENT, offsets=(9, 7), bit_depth=12), View("side", (), State.MISSING)],
            [
                Clip("mic", "audio", samples, 100.0, State.PRESENT, first_ns=5, spans=spans),
                Clip("near", "audio", None, 100.0, State.MISSING),
            ],
        )
    )
    assert inputs is not None
    assert inputs.partition == 3
    assert [(frame.camera, list(frame.offset_steps), frame.bit_depth) for frame in inputs.frames] == [
        ("top", [9, -2], 12)
    ]
    (signal,) = inputs.signals
    assert (signal.sensor, signal.first_ns, signal.num_samples) == ("mic", 5, 30)
    assert [(span.at, span.stream_id, span.first_sample, span.num_samples) for span in signal.spans] == [
        (0, "s-1", 100, 20),
        (25, "s-2", 0, 5),
    ]
    assert [offsets_of(span.offset_steps) for span in signal.spans] == [[70_000, 70_004], [70_009]]


@pytest.mark.parametrize("partition", [None, 0])
def test_a_piece_that_no_log_holds_names_nothing(partition: int | None) -> None:
    view = View("top", (IMAGE,), State.PRESENT)
    assert inputs_of(observation([view], [], partition)) is None
