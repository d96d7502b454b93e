"""The inputs of a verdict are read from the log again, bit for bit, and lost records are named."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from inspector.archive.recordings.inputs import InputReader, ReadLimits
from inspector.archive.recordings.missing import Why
from inspector.verdicts.inputs import offsets_of
from protos.inspection.v1.records_pb2 import CameraFrame, SignalChunk
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.embedded import EmbeddedLog
from streams.join.assembly import JoinSettings
from streams.log import Start
from streams.observation import InspectionId, Observation, State
from streams.references.lane import ReferenceSettings
from tests.inspector.archive.recordings.recorded_line import (
    LINE,
    PREFIX,
    RecordedLine,
    assert_equal,
    build,
    publish,
    work,
)

NUM = 9
JOIN = JoinSettings(max_delay_s=0.3)
"""All records are in the log before the first is read: nothing that is missing comes later."""


class Judged:
    """A line that has judged, its log, and its observations."""

    def __init__(self, folder: Path, num_pieces: int = NUM) -> None:
        self.path = folder / "log.db"
        self.log = EmbeddedLog(self.path)
        images = folder / "images"
        images.mkdir()
        self.references = ReferenceSettings((images.as_uri() + "/",))
        line = RecordedLine(folder=images)
        publish(self.log, line.records(num_pieces))
        source, sink = self.log.source((LINE,), PREFIX, "w"), self.log.sink()
        with closing(source), closing(sink):
            self.observations = work(build(source, sink, references=self.references, join=JOIN), num_pieces)
        self.verdicts = verdicts(self.log)

    def reader(self, bounds: ReadLimits | None = None) -> InputReader:
        return InputReader(self.log.reader(), PREFIX, references=self.references, bounds=bounds)

    def change(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as base, base:
            base.execute(sql, values)


def verdicts(log: EmbeddedLog) -> dict[InspectionId, Verdict]:
    with closing(log.tail(Start(earliest=True))) as tail:
        messages = [Verdict.FromString(record.value) for record in tail.poll(0)]
    return {
        InspectionId(v.inspection.line, v.inspection.station, v.inspection.piece_id, v.inspection.pass_number): v
        for v in messages
    }


def named_offsets(verdict: Verdict) -> Mapping[str, Sequence[int]]:
    """Offsets of the judged records, by camera and sensor, as judged."""
    frames = {frames.camera: offsets_of(frames.offset_steps) for frames in verdict.inputs.frames}
    signals = {
        signal.sensor: [offset for span in signal.spans for offset in offsets_of(span.offset_steps)]
        for signal in verdict.inputs.signals
    }
    return frames | signals


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(tmp_path_factory.mktemp("judged"))


@pytest.fixture
def fresh(tmp_path: Path) -> Judged:
    """For tests that change the log."""
    return Judged(tmp_path, 2)


def test_all_recordings_are_read_as_they_were_judged(judged: Judged) -> None:
    assert len(judged.verdicts) == len(judged.observations) == NUM
    with closing(judged.reader()) as reader:
        for inspection, verdict in judged.verdicts.items():
            again = reader.read(verdict)
            assert again.is_whole, again.missing
            assert_equal(again.observation, judged.observations[inspection])


def test_the_line_has_every_kind_of_recording(judged: Judged) -> None:
    """Else the test above says little."""
    pieces = list(judged.observations.values())
    views = [view for piece in pieces for view in piece.views.values() if view.state is State.PRESENT]
    assert {(len(view.images), view.images[0].dtype.name, view.images[0].ndim) for view in views} == {
        (3, "uint8", 3), (1, "uint16", 2), (1, "uint8", 2)
    }  # fmt: skip
    clips = [clip for piece in pieces for clip in piece.clips.values() if clip.state is State.PRESENT]
    assert {clip.samples.shape[1] for clip in clips if clip.samples is not None} == {1, 2, 3}
    assert {len(clip.spans) for clip in clips} >= {1, 2}
    assert any(0.5 < clip.coverage < 1 for clip in clips)
    assert any(clip.state is State.MISSING for piece in pieces for clip in piece.clips.values())


def test_every_named_record_is_of_the_piece(judged: Judged) -> None:
    for verdict in judged.verdicts.values():
        offsets = named_offsets(verdict)
        assert len(offsets["top"]) == 3
        assert offsets["top"] != sorted(offsets["top"])  # in order of sequence, not of arrival


def test_a_verdict_that_names_nothing_says_so(judged: Judged) -> None:
    verdict = Verdict()
    verdict.CopyFrom(next(iter(judged.verdicts.values())))
    verdict.ClearField("inputs")
    with closing(judged.reader()) as reader:
        again = reader.read(verdict)
    assert {missing.why for missing in again.missing} == {Why.NOT_NAMED}
    assert {missing.source for missing in again.missing} >= {"top", "deep", "twelve", "far", "mic"}
    assert again.observation.views["top"].images == ()


def first(judged: Judged) -> tuple[Verdict, Observation]:
    inspection = InspectionId(LINE, "st", "p0")
    return judged.verdicts[inspection], judged.observations[inspection]


def missing(judged: Judged, verdict: Verdict, bounds: ReadLimits | None = None) -> set[tuple[str, int, Why]]:
    with closing(judged.reader(bounds)) as reader:
        return {(lost.source, lost.sequence, lost.why) for lost in reader.read(verdict).missing}


def test_records_that_retention_deleted_are_named(fresh: Judged) -> None:
    verdict, observation = first(fresh)
    offsets = named_offsets(verdict)
    for offset in (offsets["top"][1], offsets["mic"][2]):
        fresh.change("DELETE FROM records WHERE id = ?", offset)
    assert missing(fresh, verdict) == {("top", 1, Why.GONE), ("mic", 0, Why.GONE)}
    with closing(fresh.reader()) as reader:
        again = reader.read(verdict).observation
    assert len(again.views["top"].images) == 2
    assert (again.views["deep"].images[0] == observation.views["deep"].images[0]).all()
    assert again.clips["mic"].samples is None


def test_a_record_of_another_piece_is_not_taken(fresh: Judged) -> None:
    verdict, _ = first(fresh)
    other = fresh.verdicts[InspectionId(LINE, "st", "p1")]
    there, here = named_offsets(other)["deep"][0], named_offsets(verdict)["deep"][0]
    with closing(sqlite3.connect(fresh.path)) as base:
        (value,) = base.execute("SELECT value FROM records WHERE id = ?", (there,)).fetchone()
    fresh.change("UPDATE records SET value = ? WHERE id = ?", value, here)
    assert missing(fresh, verdict) == {("deep", 0, Why.OTHER_RECORD)}


def test_a_record_that_cannot_be_decoded_is_named(fresh: Judged) -> None:
    verdict, _ = first(fresh)
    fresh.change("UPDATE records SET value = x'00' WHERE id = ?", named_offsets(verdict)["press"][0])
    assert missing(fresh, verdict) == {("press", 0, Why.UNREADABLE)}


def test_images_of_a_later_pass_under_the_same_id_are_not_taken(fresh: Judged) -> None:
    """As after the log was replaced and the demo line ran again."""
    verdict, _ = first(fresh)
    for offsets in (named_offsets(verdict)[camera] for camera in ("top", "deep", "twelve", "far")):
        for offset in offsets:
            edit(fresh, offset, lambda frame: setattr(frame, "capture_ns", frame.capture_ns + 60_000_000_000))
    assert {why for source, _, why in missing(fresh, verdict)} == {Why.OTHER_RECORD}
    with closing(fresh.reader()) as reader:
        assert not any(view.images for view in reader.read(verdict).observation.views.values())


def edit(fresh: Judged, offset: int, change: Callable[[CameraFrame], None]) -> None:
    with closing(sqlite3.connect(fresh.path)) as base:
        (value,) = base.execute("SELECT value FROM records WHERE id = ?", (offset,)).fetchone()
    frame = CameraFrame.FromString(value)
    change(frame)
    fresh.change("UPDATE records SET value = ? WHERE id = ?", frame.SerializeToString(), offset)


@pytest.mark.parametrize(
    ("field", "value"), [("stream_id", "z"), ("start_ns", 1_700_000_000_000_000_000), ("first_sample", 7)]
)
def test_samples_of_another_stream_or_time_are_not_taken(fresh: Judged, field: str, value: object) -> None:
    verdict, _ = first(fresh)
    offset = named_offsets(verdict)["mic"][0]
    with closing(sqlite3.connect(fresh.path)) as base:
        (data,) = base.execute("SELECT value FROM records WHERE id = ?", (offset,)).fetchone()
    chunk = SignalChunk.FromString(data)
    setattr(chunk, field, value)
    fresh.change("UPDATE records SET value = ? WHERE id = ?", chunk.SerializeToString(), offset)
    assert missing(fresh, verdict) == {("mic", 0, Why.OTHER_RECORD)}


def test_a_referenced_image_that_is_gone_or_changed_is_named(fresh: Judged, tmp_path: Path) -> None:
    verdict, _ = first(fresh)
    path = tmp_path / "images" / "p0.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert missing(fresh, verdict) == {("far", 0, Why.REFERENCE)}
    path.unlink()
    assert missing(fresh, verdict) == {("far", 0, Why.REFERENCE)}


def test_the_bytes_of_a_piece_are_bounded(judged: Judged) -> None:
    verdict, _ = first(judged)
    assert {why for _, _, why in missing(judged, verdict, ReadLimits(max_record_bytes=3000))} == {Why.TOO_LARGE}
    assert {why for _, _, why in missing(judged, verdict, ReadLimits(max_decoded_bytes=3000))} == {Why.TOO_LARGE}
