"""A piece that comes whole is assembled as the join would have assembled it from a stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.decode.items import Chunk, Origin
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.join.clips import SensorStream, Window
from streams.join.whole import Sound, WholePiece, clips_of, views_of, window_length
from streams.observation import Clip, MissingReason, State

START_NS = 1_750_000_000_000_000_000
IMAGE = np.zeros((2, 3), np.uint8)
MIC = SensorSpec("mic", "audio", 1000.0, 2, end_s=0.1, min_coverage=0.5)


def heard(samples: np.ndarray | None, sensor: SensorSpec = MIC, cameras: int = 1) -> Clip:
    sounds = {} if samples is None else {"mic": Sound(sensor.kind, samples, sensor.sample_rate_hz)}
    spec = AssemblySpec((CameraSpec("top"),), (sensor,))
    return clips_of(spec, WholePiece({"top": [IMAGE] * cameras}, sounds))["mic"]


@pytest.mark.parametrize(
    ("num_images", "expected"),
    [
        (0, (0, State.MISSING, MissingReason.NOT_RECEIVED, 0.0)),
        (1, (1, State.MISSING, MissingReason.COVERAGE, 0.5)),
        (2, (2, State.PRESENT, None, 1.0)),
        (3, (2, State.PRESENT, None, 1.0)),
    ],
)
def test_a_camera_is_present_with_all_its_frames(
    num_images: int, expected: tuple[int, State, MissingReason | None, float]
) -> None:
    spec = AssemblySpec((CameraSpec("top", 2),))
    view = views_of(spec, WholePiece({"top": [IMAGE] * num_images, "stranger": [IMAGE]}))["top"]
    assert (len(view.images), view.state, view.absence, view.coverage) == expected


@pytest.mark.parametrize(
    ("num_samples", "expected"),
    [
        (None, (State.MISSING, MissingReason.NOT_RECEIVED, 0.0)),
        (0, (State.MISSING, MissingReason.NOT_RECEIVED, 0.0)),
        (49, (State.MISSING, MissingReason.COVERAGE, 0.49)),
        (50, (State.PRESENT, None, 0.5)),
        (100, (State.PRESENT, None, 1.0)),
        (130, (State.PRESENT, None, 1.0)),
    ],
)
def test_a_clip_is_present_when_it_covers_enough_of_the_window(
    num_samples: int | None, expected: tuple[State, MissingReason | None, float]
) -> None:
    clip = heard(None if num_samples is None else np.ones((num_samples, 2), np.float32))
    assert (clip.state, clip.absence, clip.coverage) == expected
    assert (clip.samples is None) == (clip.state is State.MISSING)
    assert clip.samples is None or clip.samples.shape == (100, 2)


def test_a_trace_is_as_long_as_it_is() -> None:
    trace = SensorSpec("mic", "trace", 1.0, 2, bind="piece")
    clip = heard(np.ones((7, 2), np.float32), trace)
    assert clip.samples is not None
    assert (clip.state, clip.coverage, len(clip.samples)) == (State.PRESENT, 1.0, 7)
    assert heard(np.ones((0, 2), np.float32), trace).absence is MissingReason.NOT_RECEIVED


def test_without_the_frame_that_it_is_relative_to_a_window_is_nowhere() -> None:
    anchored = SensorSpec("mic", "audio", 1000.0, 2, end_s=0.1, anchor="top")
    whole = np.ones((100, 2), np.float32)
    assert heard(whole, anchored).state is State.PRESENT
    assert heard(whole, anchored, cameras=0).absence is MissingReason.NO_ANCHOR


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        (Sound("vibration", np.ones((9, 2), np.float32), 1000.0), "kind is vibration, expected audio"),
        (Sound("audio", np.ones((9, 2), np.float32), 1001.0), "1001 Hz, expected 1000 Hz"),
        (Sound("audio", np.ones((0, 1), np.float32), 1000.0), "1 channels, expected 2"),
    ],
)
def test_a_recording_of_another_form_is_refused(sound: Sound, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        clips_of(AssemblySpec((), (MIC,)), WholePiece({}, {"mic": sound}))


@given(
    st.sampled_from([8.0, 100.0, 1000.0, 44_100.0, 12_800 / 3]),
    st.floats(0.01, 0.2),
    st.floats(0.0, 1.2),
    st.integers(0, 2**32),
)
def test_it_is_the_clip_that_the_join_cuts_out_of_a_stream(
    rate_hz: float, length_s: float, share: float, seed: int
) -> None:
    sensor = SensorSpec("mic", "audio", rate_hz, end_s=length_s, min_coverage=1e-6)
    if (length := window_length(sensor)) == 0:
        return
    samples = np.random.default_rng(seed).normal(0, 1, (round(share * length), 1)).astype(np.float32)
    stream = SensorStream(sensor, jitter_s=0.02)
    if len(samples):
        stream.place(_chunk(sensor, samples))
    cut = stream.cut(Window(START_NS, START_NS + round(length_s * 1e9)))
    clip = heard(samples, sensor)
    assert clip.coverage == cut.coverage
    assert (clip.samples is None) == (cut.samples is None)
    if clip.samples is not None and cut.samples is not None:
        np.testing.assert_array_equal(clip.samples, cut.samples)


def _chunk(sensor: SensorSpec, samples: np.ndarray) -> Chunk:
    return Chunk(
        line="l",
        station="s",
        sensor="mic",
        kind="audio",
        stream_id="a",
        first_sample=0,
        start_ns=START_NS + 1,
        sample_rate_hz=sensor.sample_rate_hz,
        samples=samples,
        origin=Origin("chunks", 0, 0, START_NS),
    )
