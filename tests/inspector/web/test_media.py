"""Pictures and sounds of recent pieces: encoding, cache within its bounds, one reading for all browsers."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from inspector.web.app import create_app
from inspector.web.card import address_of
from inspector.web.encode import MAX_SIDE_PX, MAX_VALUES, picture_of, sound_of, wav_of
from inspector.web.media import MAX_WAITING, Media, MediaUnavailableError
from inspector.web.metrics import WebMetrics
from inspector.web.settings import WebSettings
from inspector.web.state import Floor
from protos.inspection.v1 import verdict_pb2 as pb
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.log import LogUnavailableError
from streams.observation import Clip, Observation, State
from tests.inspector.web.parts import SOURCE, OnePiece, entry, floor_with, verdict


def media(reader: OnePiece, settings: WebSettings | None = None) -> Media:
    return Media(reader, settings or WebSettings(), WebMetrics(CollectorRegistry()))


def clip(samples: np.ndarray, rate_hz: float = 16_000.0) -> Clip:
    return Clip("mic", "audio", samples.astype(np.float32), rate_hz, State.PRESENT)


@pytest.mark.parametrize(
    ("image", "media_type"),
    [
        (np.full((160, 160), 7, np.uint8), "image/png"),
        (np.full((160, 160, 3), 7, np.uint8), "image/png"),
        (np.full((160, 160), 7 << 8, np.uint16), "image/png"),
        (np.full((1200, 3000), 7, np.uint8), "image/jpeg"),
    ],
)
def test_a_picture_is_scaled_to_the_view_and_knows_its_own_size(image: np.ndarray, media_type: str) -> None:
    picture = picture_of(image)
    shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert (picture.height_px, picture.width_px) == image.shape[:2]
    assert picture.media_type == media_type
    assert max(shown.shape[:2]) <= MAX_SIDE_PX
    assert abs(float(shown.mean()) - 7) < 1


def test_a_sound_is_a_wav_file_of_floats_with_its_rate() -> None:
    data = wav_of(np.array([[0.5], [-0.25]], np.float32), 16_000.4)
    assert data[:4] == b"RIFF"
    assert np.frombuffer(data[44:], "<f4").tolist() == [0.5, -0.25]
    shape, rate_hz = soundfile.SoundFile(io.BytesIO(data)).read().shape, soundfile.info(io.BytesIO(data)).samplerate
    assert (shape, rate_hz) == ((2,), 16_000)


def test_a_long_sound_ends_at_the_limit_and_many_channels_become_their_mean() -> None:
    long = sound_of(clip(np.zeros((MAX_VALUES + 5, 1))))
    many = sound_of(clip(np.array([[0.0, 0.3, 0.6]])))
    assert long is not None
    assert len(long.data) == 44 + 4 * MAX_VALUES
    assert many is not None
    assert np.frombuffer(many.data[44:], "<f4").tolist() == pytest.approx([0.3])


def test_a_clip_without_samples_is_no_sound() -> None:
    assert sound_of(clip(np.zeros((0, 1)))) is None
    assert sound_of(Clip("mic", "audio", None, 16_000.0, State.MISSING)) is None


async def test_browsers_that_ask_at_once_share_one_reading() -> None:
    reader = OnePiece()
    files = media(reader)
    reader.go_on.clear()
    requests = [asyncio.create_task(files.files("/live/a", verdict())) for _ in range(20)]
    await asyncio.sleep(0)
    reader.go_on.set()
    answers = await asyncio.gather(*requests)
    assert reader.num_reads == 1
    assert len({id(answer) for answer in answers}) == 1
    files.close()


async def test_the_cache_stays_within_its_bytes_and_drops_what_was_not_asked_for_longest() -> None:
    reader = OnePiece()
    one = (await media(reader).files("/live/a", verdict())).num_bytes
    files = media(reader, WebSettings(media_bytes=3 * one))
    for name in ("a", "b", "c", "a", "d"):
        await files.files(name, verdict())
        assert files.num_bytes <= 3 * one
    reads = reader.num_reads
    await files.files("a", verdict())
    assert reader.num_reads == reads
    await files.files("b", verdict())
    assert reader.num_reads == reads + 1
    files.close()


async def test_a_piece_that_is_larger_than_half_of_the_cache_is_not_kept() -> None:
    reader = OnePiece()
    files = media(reader, WebSettings(media_bytes=1000))
    await files.files("a", verdict())
    await files.files("a", verdict())
    assert (reader.num_reads, files.num_bytes) == (2, 0)
    files.close()


async def test_more_readings_than_may_wait_are_refused_and_a_slow_log_does_not_hold_the_browser() -> None:
    reader = OnePiece()
    files = media(reader, WebSettings(media_timeout_s=0.05))
    reader.go_on.clear()
    requests = [asyncio.create_task(files.files(str(number), verdict())) for number in range(MAX_WAITING + 1)]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(answer, MediaUnavailableError) for answer in answers)
    assert sum("many" in str(answer) for answer in answers) == 1
    reader.go_on.set()
    files.close()


async def test_a_log_that_is_away_is_said_and_asked_again_later() -> None:
    class Away(OnePiece):
        is_away = True

        def observation(self, verdict: pb.Verdict) -> Observation:
            if self.is_away:
                raise LogUnavailableError("no broker")
            return super().observation(verdict)

    reader = Away()
    files = media(reader)
    with pytest.raises(MediaUnavailableError, match="no broker"):
        await files.files("a", verdict())
    reader.is_away = False
    assert (await files.files("a", verdict())).pictures
    files.close()


@contextmanager
def served(tmp_path: Path) -> Iterator[tuple[TestClient, Floor]]:
    log = EmbeddedLog(tmp_path / "log.sqlite", EmbeddedSettings())
    floor = floor_with(WebSettings(), log)
    with TestClient(create_app(floor)) as client:
        yield client, floor
    floor.media.close()
    log.close()


def test_the_addresses_of_a_verdict_give_its_picture_sound_and_heat_map(tmp_path: Path) -> None:
    heat = cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes()
    stored = entry(verdict(images=[pb.ImageEvidence(camera="top", heat_map_png=heat)]))
    with served(tmp_path) as (client, floor):
        floor.hub.take([stored], {SOURCE: 1})
        address = address_of(stored)
        picture = client.get(f"{address}/picture/0/0")
        assert picture.headers["content-type"] == "image/png"
        assert (picture.headers["x-captured"], picture.headers["x-frames"]) == ("200x160", "1")
        assert "immutable" in picture.headers["cache-control"]
        assert client.get(f"{address}/sound/1").headers["content-type"] == "audio/wav"
        assert client.get(f"{address}/heat/0").content == heat
        assert client.get(f"{address}/picture/0/7").status_code == 410
        assert client.get(f"{address}/sound/0").status_code == 410
        assert client.get(f"{address}/heat/1").status_code == 404
        assert client.get(f"{address}/picture/9/0").status_code == 404
        assert client.get(f"{address}0/picture/0/0").status_code == 404


def test_bytes_that_are_no_png_are_not_served_as_one(tmp_path: Path) -> None:
    stored = entry(verdict(images=[pb.ImageEvidence(camera="top", heat_map_png=b"<script>")]))
    with served(tmp_path) as (client, floor):
        floor.hub.take([stored], {SOURCE: 1})
        assert client.get(f"{address_of(stored)}/heat/0").status_code == 404


def test_that_nothing_can_be_read_is_not_remembered_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It used to be remembered for ever, also after the recordings had been kept."""
    monkeypatch.setattr("inspector.web.media.EMPTY_S", -1.0)
    reader, judged = Late(), verdict()

    async def read_twice() -> tuple[bool, bool]:
        pieces = media(reader)
        first, second = [await pieces.files(address_of(entry(judged)), judged) for _ in range(2)]
        pieces.close()
        return first.is_empty, second.is_empty

    assert asyncio.run(read_twice()) == (True, False)


class Late(OnePiece):
    """Has no recordings at first."""

    def observation(self, verdict: pb.Verdict) -> Observation:
        piece = super().observation(verdict)
        return replace(piece, views={}, clips={}) if self.num_reads == 1 else piece
