"""Turns a message of a producer into the record that the service reads: topic, key, type header. Knows no log."""

from protos.inspection.v1.records_pb2 import CameraFrame, Feedback, PieceEvent, ProcessTrace, SignalChunk
from streams.records import TYPE_PREFIX, Output, Topics

Produced = CameraFrame | SignalChunk | ProcessTrace | PieceEvent | Feedback


def to_output(topics: Topics, message: Produced) -> Output:
    """The record of a message, keyed by its station; the key chooses the partition."""
    station = message.station if isinstance(message, SignalChunk) else message.inspection.station
    return Output(
        topics.of(_kind(message)),
        None,
        station.encode(),
        message.SerializeToString(deterministic=True),
        TYPE_PREFIX + message.DESCRIPTOR.name,
    )


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
