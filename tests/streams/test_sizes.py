"""What a record takes once it is decoded, told from its header."""

import cv2
import numpy as np
import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.codecs import decode
from streams.encoding import to_output
from streams.items import Chunk, Frame
from streams.limits import Limits
from streams.records import Record, Topics
from streams.sizes import decoded_size

NOW_NS = 1_700_000_000_000_000_000
GREY, COLOUR = np.zeros((30, 40), np.uint8), np.zeros((30, 40, 3), np.uint8)


def record(message: pb.CameraFrame | pb.SignalChunk) -> Record:
    output = to_output(Topics("qa", "l"), message)
    return Record(output.topic, 0, 0, output.key, output.value, output.type, NOW_NS)


def frame(form: pb.PixelFormat.ValueType, data: bytes, width_px: int = 0, height_px: int = 0) -> Record:
    pixels = pb.ImagePixels(format=form, data=data, width_px=width_px, height_px=height_px)
    inspection = pb.Inspection(line="l", station="a", piece_id="p")
    return record(pb.CameraFrame(inspection=inspection, product="x", camera="top", capture_ns=NOW_NS, pixels=pixels))


def encoded(suffix: str, image: np.ndarray, *flags: int) -> bytes:
    return bytes(cv2.imencode(suffix, image, flags)[1])


@pytest.mark.parametrize(
    "sent",
    [
        frame(pb.PIXEL_FORMAT_PNG, encoded(".png", GREY)),
        frame(pb.PIXEL_FORMAT_PNG, encoded(".png", COLOUR)),
        frame(pb.PIXEL_FORMAT_PNG, encoded(".png", COLOUR.astype(np.uint16))),
        frame(pb.PIXEL_FORMAT_JPEG, encoded(".jpg", GREY)),
        frame(pb.PIXEL_FORMAT_JPEG, encoded(".jpg", COLOUR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        frame(pb.PIXEL_FORMAT_MONO16, GREY.astype(np.uint16).tobytes(), 40, 30),
    ],
)
def test_an_image_takes_what_its_header_says(sent: Record) -> None:
    item = decode(sent, Limits(), "l")
    assert isinstance(item, Frame)
    assert item.image is not None
    assert decoded_size(sent, Limits()) == item.image.nbytes


@pytest.mark.parametrize("form", [pb.SAMPLE_FORMAT_S16LE, pb.SAMPLE_FORMAT_F32LE])
def test_samples_take_no_more_than_it_says(form: pb.SampleFormat.ValueType) -> None:
    samples = pb.Samples(format=form, sample_rate_hz=1000, num_channels=1, data=bytes(4000))
    sent = record(
        pb.SignalChunk(line="l", station="a", sensor="mic", kind=pb.SIGNAL_KIND_AUDIO, start_ns=NOW_NS, samples=samples)
    )
    item = decode(sent, Limits(), "l")
    assert isinstance(item, Chunk)
    assert item.samples.nbytes <= decoded_size(sent, Limits())


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\xff\xd8\xff\xff\xff"])
@pytest.mark.parametrize("form", [pb.PIXEL_FORMAT_PNG, pb.PIXEL_FORMAT_JPEG])
def test_a_file_without_a_header_takes_nothing(form: pb.PixelFormat.ValueType, data: bytes) -> None:
    assert decoded_size(frame(form, data), Limits()) == 0


def test_what_will_be_refused_takes_no_more_than_an_image_may() -> None:
    header = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\xff" * 8 + b"\x08\x00" + bytes(20)
    assert decoded_size(frame(pb.PIXEL_FORMAT_PNG, header), Limits()) == Limits().max_image_bytes
    assert decoded_size(Record("qa.l.frames", 0, 0, b"a", b"hello", "inspection.v1.CameraFrame", 0), Limits()) == 0
    assert decoded_size(Record("qa.l.pieces", 0, 0, b"a", b"hello", "inspection.v1.PieceEvent", 0), Limits()) == 0
