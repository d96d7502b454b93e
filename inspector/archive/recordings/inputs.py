"""Reads a verdict's input records from the log, each by its offset, decoded and cut as the line did it.

Recordings that cannot be read are named with the reason; the others are exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inspector.archive.recordings.cut import cut_again
from inspector.archive.recordings.fetch import ImageFetcher, ReferencedImages
from inspector.archive.recordings.missing import InputError, MissingInput, Why
from inspector.archive.recordings.observation import observation_of
from inspector.verdicts.inputs import offsets_of
from inspector.verdicts.records import inspection_id
from protos.inspection.v1 import verdict_pb2 as pb
from streams.decode.items import Chunk, Frame, Item, Rejected, Trace
from streams.decode.limits import Limits, RecordError
from streams.decode.process import Decoder
from streams.decode.records import decoded_size
from streams.join.assembly import CameraSpec
from streams.join.bit_depth import scaled
from streams.join.whole import Sound
from streams.log import ReadBack, RecordReader
from streams.observation import Image, Observation
from streams.records import Record, TopicPartition, Topics
from streams.references.lane import ReferenceSettings

_BIT_DEPTHS = {0: None, 8: 8, 10: 10, 12: 12, 14: 14, 16: 16}


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of reading one piece."""

    max_record_bytes: int = 256 * 2**20
    """Of all its records together."""
    max_decoded_bytes: int = 512 * 2**20
    """Of all its images and clips together: as much as a worker holds of open pieces."""
    timeout_s: float = 20.0
    """Of reading the records of one topic."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedInputs:
    """The observation that was judged, as far as it can be read."""

    observation: Observation
    missing: tuple[MissingInput, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.missing


class DecodeRecord(Protocol):
    def decode(self, record: Record, limits: Limits, line: str) -> Item: ...
    def close(self) -> None: ...


class InputReader:
    """Reads pieces of all lines with one prefix. One thread uses it at a time."""

    def __init__(
        self,
        reader: RecordReader,
        prefix: str,
        limits: Limits | None = None,
        references: ReferenceSettings | ImageFetcher | None = None,
        bounds: ReadLimits | None = None,
        decoder: DecodeRecord | None = None,
    ) -> None:
        """`limits` and `references` are the worker's, so that the same records can be read."""
        self._reader, self._prefix = reader, prefix
        self._limits, self._bounds = limits or Limits(), bounds or ReadLimits()
        if references is None or isinstance(references, ReferenceSettings):
            references = ReferencedImages(references or ReferenceSettings(), self._limits)
        self._images: ImageFetcher = references
        self._decoder: DecodeRecord = decoder or Decoder()

    def read(self, verdict: pb.Verdict) -> JudgedInputs:
        """Raises LogError where the log does not respond; never for missing records."""
        return _Reading(self, verdict).run()

    def close(self) -> None:
        self._decoder.close()
        self._reader.close()

    def records(self, at: TopicPartition, offsets: Iterable[int], max_bytes: int) -> ReadBack:
        return self._reader.read(at, offsets, max_bytes=max_bytes, timeout_s=self._bounds.timeout_s)

    def topics(self, line: str) -> Topics:
        return Topics(self._prefix, line)

    def item(self, record: Record, line: str) -> Item:
        return self._decoder.decode(record, self._limits, line)

    def image(self, frame: Frame) -> Image:
        return self._images.fetch(frame)

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def bounds(self) -> ReadLimits:
        return self._bounds


class _Reading:
    """The state of reading one piece."""

    def __init__(self, owner: InputReader, verdict: pb.Verdict) -> None:
        self._owner, self._verdict, self._inputs = owner, verdict, verdict.inputs
        self._line = verdict.inspection.line
        self._left_bytes, self._left_decoded = owner.bounds.max_record_bytes, owner.bounds.max_decoded_bytes
        self._missing: list[MissingInput] = []
        self._append_ns: list[int] = []
        self._captures_ns: list[int] = []

    def run(self) -> JudgedInputs:
        images, sounds = self._all_images(), self._all_sounds()
        self._missing += self._not_named()
        append_ns = min(self._append_ns, default=0)
        return JudgedInputs(observation_of(self._verdict, images, sounds, append_ns), tuple(self._missing))

    def _not_named(self) -> list[MissingInput]:
        """Sources that were judged, though the verdict does not say on which records."""
        named = {frames.camera for frames in self._inputs.frames} | {signal.sensor for signal in self._inputs.signals}
        seen = (pb.MODALITY_STATE_PRESENT, pb.MODALITY_STATE_IMPLAUSIBLE)
        return [
            MissingInput(modality.name, 0, Why.NOT_NAMED, "the verdict names no records of it")
            for modality in self._verdict.modalities
            if modality.state in seen and modality.name not in named
        ]

    def _all_images(self) -> dict[str, list[Image]]:
        offsets = {frames.camera: offsets_of(frames.offset_steps) for frames in self._inputs.frames}
        back = self._read("frames", [offset for of_camera in offsets.values() for offset in of_camera])
        images: dict[str, list[Image]] = {}
        for frames in self._inputs.frames:
            for sequence, offset in enumerate(offsets[frames.camera]):
                try:
                    images.setdefault(frames.camera, []).append(self._image(frames, back, offset))
                except InputError as error:
                    self._missing.append(MissingInput(frames.camera, sequence, error.why, error.detail))
        self._check_captures(images)
        return images

    def _check_captures(self, images: dict[str, list[Image]]) -> None:
        """Drops images of another pass of the same piece, which lie there after the log was replaced."""
        is_whole = not self._missing and self._verdict.reason != pb.DECISION_REASON_ABORTED
        newest_ns, expected_ns = max(self._captures_ns, default=0), self._verdict.capture_ns
        if newest_ns > expected_ns or (is_whole and images and newest_ns != expected_ns):
            detail = f"the newest image is of {newest_ns} ns, expected {expected_ns} ns"
            for camera, of_camera in images.items():
                self._missing += [MissingInput(camera, n, Why.OTHER_RECORD, detail) for n in range(len(of_camera))]
            images.clear()

    def _image(self, frames: pb.FrameInput, back: ReadBack, offset: int) -> Image:
        record = _record(back, offset)
        self._take_room(decoded_size(record, self._owner.limits))
        item = self._item(record)
        if not isinstance(item, Frame) or (item.inspection, item.camera) != (
            inspection_id(self._verdict.inspection),
            frames.camera,
        ):
            raise InputError(Why.OTHER_RECORD, f"record {offset} is no frame of this piece and camera")
        image = item.image
        if image is None:
            image = self._owner.image(item)
            self._take_room(image.nbytes)
        self._append_ns.append(record.append_ns)
        self._captures_ns.append(item.capture_ns)
        try:
            return scaled(image, CameraSpec(frames.camera, bit_depth=_BIT_DEPTHS.get(frames.bit_depth)))  # type: ignore[arg-type]
        except RecordError as error:
            raise InputError(Why.OTHER_RECORD, error.detail) from error

    def _all_sounds(self) -> dict[str, Sound]:
        offsets = {signal.sensor: _signal_offsets(signal) for signal in self._inputs.signals}
        back = self._read("signals", [offset for of_sensor in offsets.values() for offset in of_sensor])
        sounds: dict[str, Sound] = {}
        for signal in self._inputs.signals:
            try:
                items = {offset: self._signal_item(signal, back, offset) for offset in offsets[signal.sensor]}
                sounds[signal.sensor] = cut_again(signal, items, self._owner.bounds.max_decoded_bytes // 4)
            except InputError as error:
                self._missing.append(MissingInput(signal.sensor, 0, error.why, error.detail))
        return sounds

    def _signal_item(self, signal: pb.SignalInput, back: ReadBack, offset: int) -> Chunk | Trace:
        record = _record(back, offset)
        self._take_room(decoded_size(record, self._owner.limits))
        item = self._item(record)
        if not isinstance(item, Chunk | Trace) or item.sensor != signal.sensor or not self._is_ours(item):
            raise InputError(Why.OTHER_RECORD, f"record {offset} is no signal of this station and sensor")
        if isinstance(item, Trace):
            self._append_ns.append(record.append_ns)
        return item

    def _is_ours(self, item: Chunk | Trace) -> bool:
        if isinstance(item, Trace):
            return item.inspection == inspection_id(self._verdict.inspection)
        return item.station == self._verdict.inspection.station

    def _item(self, record: Record) -> Item:
        item = self._owner.item(record, self._line)
        if isinstance(item, Rejected):
            raise InputError(Why.UNREADABLE, item.detail)
        return item

    def _read(self, kind: str, offsets: Sequence[int]) -> ReadBack:
        if not offsets:
            return ReadBack({})
        at = TopicPartition(self._owner.topics(self._line).of(kind), self._inputs.partition)
        back = self._owner.records(at, offsets, self._left_bytes)
        self._left_bytes -= sum(len(record.value) for record in back.records.values())
        return back

    def _take_room(self, num_bytes: int) -> None:
        self._left_decoded -= num_bytes
        if self._left_decoded < 0:
            limit = self._owner.bounds.max_decoded_bytes
            raise InputError(Why.TOO_LARGE, f"the piece's recordings have more than {limit} bytes")


def _record(back: ReadBack, offset: int) -> Record:
    if offset in back.too_large:
        raise InputError(Why.TOO_LARGE, "the piece's records have more bytes than may be read")
    if offset not in back.records:
        raise InputError(Why.GONE, f"the log no longer holds record {offset}")
    return back.records[offset]


def _signal_offsets(signal: pb.SignalInput) -> list[int]:
    return [offset for span in signal.spans for offset in offsets_of(span.offset_steps)]
