"""Turns a producer's message into the record that the service reads: topic, key, type header."""

from protos.inspection.v1.records_pb2 import (
    CameraFrame,
    Feedback,
    ImagePixels,
    Inspection,
    PieceEvent,
    PixelFormat,
    ProcessTrace,
    SignalChunk,
)
from streams.decode.items import Frame
from streams.decode.records import station_of
from streams.records import TYPE_PREFIX, Output, Record, Topics

FRAME_TYPE = TYPE_PREFIX + "CameraFrame"
Produced = CameraFrame | SignalChunk | ProcessTrace | PieceEvent | Feedback


def to_output(topics: Topics, message: Produced) -> Output:
    """The record of a message, keyed by its station; the key chooses the partition."""
    return Output(
        topics.of(_kind(message)),
        None,
        station_of(message).encode(),
        message.SerializeToString(deterministic=True),
        TYPE_PREFIX + message.DESCRIPTOR.name,
    )


def with_pixels(frame: Frame, data: bytes, pixel_format: int) -> Record:
    """The record that a frame with a reference would have been with its image inside."""
    origin, inspection_id = frame.origin, frame.inspection
    inspection = Inspection(
        line=inspection_id.line,
        station=inspection_id.station,
        piece_id=inspection_id.piece_id,
        pass_number=inspection_id.pass_number,
    )
    message = CameraFrame(
        inspection=inspection,
        product=frame.product,
        lot=frame.lot,
        camera=frame.camera,
        sequence=frame.sequence,
        capture_ns=frame.capture_ns,
        pixels=ImagePixels(format=PixelFormat.Name(PixelFormat.ValueType(pixel_format)), data=data),
    )
    value, key = message.SerializeToString(), inspection_id.station.encode()
    return Record(origin.topic, origin.partition, origin.offset, key, value, FRAME_TYPE, origin.append_ns)


def _kind(message: Produced) -> str:
    match message:
        case CameraFrame():
            return "frames"
        case SignalChunk() | ProcessTrace():
            return "signals"
        case PieceEvent():
            return "pieces"
        case Feedback():
            return "feedback"
