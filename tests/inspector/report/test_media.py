"""Pictures, heat maps, spectrograms and sounds of a report."""

import io
import wave

import cv2
import numpy as np
import pytest

from inspector.evaluation.run import Shown
from inspector.report import sound
from inspector.report.media import MAX_SOURCES, Room, heat_layer, media_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Clip, InspectionId, State, from_files
from tests.inspector.report.parts import Files, content, with_heat

RATE_HZ = 16_000.0


def tone(hz: float, seconds: float, gain: float = 1.0) -> sound.Samples:
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (gain * np.sin(2 * np.pi * hz * times)).astype(np.float32)[:, None]


def test_a_tone_is_a_bright_line_at_its_height() -> None:
    picture = cv2.imdecode(np.frombuffer(sound.spectrogram(tone(2_000, 0.5)), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (sound.HEIGHT, sound.WIDTH)
    brightest = np.asarray(picture).mean(axis=1).argmax()
    assert brightest == pytest.approx(sound.HEIGHT * (1 - 2_000 / (RATE_HZ / 2)), abs=4)


@pytest.mark.parametrize("num", [1, 10, 64, 5_000])
def test_short_clips_are_drawn(num: int) -> None:
    assert sound.spectrogram(np.ones((num, 2), np.float32))[:2] == b"\xff\xd8"
    assert len(sound.curves(np.ones((num, 2), np.float32))) == 2


def test_a_faint_clip_can_be_heard() -> None:
    with wave.open(io.BytesIO(sound.playable(tone(500, 0.1, gain=1e-3), RATE_HZ))) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
        assert (wav.getframerate(), wav.getnchannels()) == (16_000, 1)
    assert np.abs(samples).max() == pytest.approx(0.7 * 32767, abs=2)


def test_only_the_first_ten_seconds_of_a_clip_are_played() -> None:
    assert len(sound.beginning(np.zeros((400_000, 1), np.float32), RATE_HZ)) == 160_000
    assert len(sound.beginning(np.zeros((2**21, 1), np.float32), 192_000.0)) == sound.MAX_SAMPLES


def test_a_peak_of_a_long_trace_survives() -> None:
    samples = np.zeros((100_000, 1), np.float32)
    samples[31_337] = 1
    (path,) = sound.curves(samples)
    heights = [float(point.split(",")[1]) for point in path[1:].split(" ")]
    assert min(heights) == 8
    assert len(heights) <= sound.WIDTH


def test_no_evidence_leaves_the_picture_as_it_is() -> None:
    _, png = cv2.imencode(".png", np.array([[0, 255]], np.uint8))
    layer = cv2.imdecode(np.frombuffer(heat_layer(png.tobytes()), np.uint8), cv2.IMREAD_UNCHANGED)
    assert layer is not None
    assert [int(alpha) for alpha in np.asarray(layer)[0, :, 3]] == [0, 255]
    assert heat_layer(b"no png") == b""


def test_a_trace_is_a_curve_and_makes_no_sound() -> None:
    clip = Clip("force", "trace", np.ones((50, 1), np.float32), 10_000.0, State.PRESENT)
    piece = from_files(InspectionId("line", "station", "p"), "", (), [clip])
    (view,) = media_of({"p": Shown(piece, pb.Verdict(), {})}, Room())["p"].sounds
    assert view.curves
    assert view.audio == view.spectrogram == view.top == ""


def test_a_slow_vibration_is_seen_and_not_played() -> None:
    clip = Clip("bearing", "vibration", np.ones((500, 1), np.float32), 1_000.0, State.PRESENT)
    piece = from_files(InspectionId("line", "station", "p"), "", (), [clip])
    (view,) = media_of({"p": Shown(piece, pb.Verdict(), {})}, Room())["p"].sounds
    assert view.spectrogram
    assert view.audio == ""
    assert view.top == "500 Hz"


def test_pictures_come_before_sounds_where_room_is_short() -> None:
    files = Files("top", 200, 48_000, 1)
    shown = {name: files.shown(name) for name in ("a", "b", "c")}
    room = Room(600_000)
    media = media_of(shown, room)
    assert all(view.src for each in media.values() for view in each.pictures)
    assert not all(view.audio for each in media.values() for view in each.sounds)
    assert room.left_out == sum(each.left_out for each in media.values()) > 0


def test_a_piece_shows_a_bounded_number_of_sources() -> None:
    shown = Files("top", 20, 100, MAX_SOURCES + 5).shown("a")
    media = media_of({"a": shown}, Room())["a"]
    assert (len(media.pictures), len(media.sounds)) == (MAX_SOURCES, MAX_SOURCES)


def test_a_heat_map_lies_over_the_image_that_it_is_about() -> None:
    shown = with_heat(content()).shown
    (view,) = next(iter(media_of(shown, Room()).values())).pictures
    assert view.heat.startswith("data:image/png;base64,")
    assert (view.width_px, view.height_px) == (48, 48)
    assert view.words == "strongest at x 4, y 8 px"
