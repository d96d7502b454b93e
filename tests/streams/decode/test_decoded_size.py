"""What decoding a record will keep is said before anything is decoded."""

import dataclasses

import cv2
import numpy as np
import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk, Frame, Trace
from streams.decode.limits import Limits
from streams.decode.records import decode, decoded_size
from streams.records import Record
from tests import malformed as bad

LIMITS = Limits()
GREY = bad.picture()[..., 0]
PROGRESSIVE = bad.jpeg(bad.picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def record(type_: str, value: bytes) -> Record:
    kind = "frames" if type_ == bad.FRAME else "signals"
    return Record(f"qa.l1.{kind}", 0, 0, b"st-1", value, type_, 1)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (bad.FRAME, bad.frame(bad.png(GREY))),
        (bad.FRAME, bad.frame(bad.png(bad.picture()))),
        (bad.FRAME, bad.frame(bad.png(GREY.astype(np.uint16)))),
        (bad.FRAME, bad.frame(bad.jpeg(bad.picture()), pb.PIXEL_FORMAT_JPEG)),
        (bad.FRAME, bad.frame(PROGRESSIVE, pb.PIXEL_FORMAT_JPEG)),
        (bad.FRAME, bad.frame(GREY.tobytes(), pb.PIXEL_FORMAT_MONO8, (64, 48))),
        (bad.CHUNK, bad.chunk(bad.samples(bytes(800)))),
        (bad.CHUNK, bad.chunk(bad.samples(bytes(800), form=pb.SAMPLE_FORMAT_F32LE))),
        (bad.TRACE, bad.trace(bad.samples(bytes(800), channels=2))),
    ],
)
def test_it_is_the_size_of_what_is_decoded(type_: str, value: bytes) -> None:
    item = decode(record(type_, value), LIMITS, bad.LINE)
    assert isinstance(item, Frame | Chunk | Trace)
    content = item.image if isinstance(item, Frame) else item.samples
    assert content is not None
    assert decoded_size(record(type_, value), LIMITS) == content.nbytes


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (bad.FRAME, bad.frame(bad.png_of(2**31 - 1, 2**31 - 1, b"x"))),
        (bad.FRAME, bad.frame(b"junk")),
        (bad.FRAME, bad.frame(b"\xff\xd8\xff", pb.PIXEL_FORMAT_JPEG)),
        (bad.FRAME, bad.frame(form=77)),
        (bad.FRAME, bad.referring()),
        (bad.FRAME, b"no message"),
        (bad.CHUNK, bad.chunk(bad.samples(form=77))),
        ("inspection.v1.Verdict", bad.frame()),
    ],
)
def test_it_is_nothing_for_what_is_refused_by_its_header(type_: str, value: bytes) -> None:
    assert decoded_size(record(type_, value), LIMITS) == 0


def test_it_is_nothing_for_samples_above_the_limit() -> None:
    value = bad.chunk(bad.samples(bytes(20)))
    assert decoded_size(record(bad.CHUNK, value), dataclasses.replace(LIMITS, max_samples=9)) == 0
