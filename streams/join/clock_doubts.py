"""Applies the state of a station's clocks to its records and pieces: marks views and clips of a wrong clock
implausible, and adds the cause to the dead letter of a record that a wrong clock keeps out."""

from collections.abc import Mapping
from dataclasses import replace

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk, Event, Frame, Trace
from streams.decode.limits import RecordError
from streams.join.clips import SECOND_NS, Cut
from streams.join.pieces import EVENTS, Piece
from streams.join.source_clock import Delays
from streams.join.source_clocks import Doubt, Doubts, SourceClocks
from streams.observation import Clip, MissingReason, Observation, State, View

BY_CLOCK = {
    pb.DEAD_LETTER_REASON_TOO_OLD,
    pb.DEAD_LETTER_REASON_LATE,
    pb.DEAD_LETTER_REASON_CLOCK,
    pb.DEAD_LETTER_REASON_DUPLICATE,
}
"""Dead letters that a wrong clock may cause; one that was set back repeats earlier timestamps."""


def add_stamp(clocks: SourceClocks, item: Frame | Chunk | Trace | Event) -> None:
    """Takes the stamp of a record, usable or not, for its source's clock."""
    source, event_ns = stamp_of(item)
    clocks.add_stamp(source, event_ns, item.origin.append_ns)


def explained(clocks: SourceClocks, item: Frame | Chunk | Trace | Event, error: RecordError) -> RecordError:
    """The error about a record, with another remedy if the clock of its source is the cause."""
    source, event_ns = stamp_of(item)
    if error.reason == pb.DEAD_LETTER_REASON_ID_READ_TWICE:
        doubt = clocks.between(source, EVENTS)
        return error if doubt is None else RecordError(error.reason, _no_other_part(error.detail, doubt))
    if error.reason not in BY_CLOCK:
        return error
    is_ahead = error.reason == pb.DEAD_LETTER_REASON_CLOCK
    why = clocks.explain(source, item.origin.append_ns - event_ns, is_ahead=is_ahead)
    return error if why is None else RecordError(error.reason, f"{error.detail.rpartition(': ')[0]}: {why}")


def _no_other_part(detail: str, doubt: Doubt) -> str:
    """If the clocks of two sources differ, records of one part look like those of two parts, and no reader has
    failed."""
    return f"{detail.partition('. Fix')[0]}. More likely than another part: {doubt.text}"


def checked(observation: Observation, piece: Piece, cuts: Mapping[str, Cut], clocks: SourceClocks) -> Observation:
    """The observation of a piece; marks and counts the recordings of wrong clocks."""
    doubts = clocks.doubts(delays_of(piece, cuts), observation.clips)
    clocks.count(doubts)
    return mark(observation, piece, doubts)


def stamp_of(item: Frame | Chunk | Trace | Event) -> tuple[str, int]:
    """The source of a record, and the event time at which it was complete."""
    match item:
        case Frame():
            return item.camera, item.capture_ns
        case Event():
            return EVENTS, item.event_ns
        case Chunk() | Trace():
            return item.sensor, item.start_ns + round(len(item.samples) / item.sample_rate_hz * SECOND_NS)


def delays_of(piece: Piece, cuts: Mapping[str, Cut]) -> dict[str, Delays]:
    """The delays, from event to append, of each source with records of the piece."""
    delays = dict(piece.delays)
    for trace in piece.traces.values():
        append_ns = trace.origin.append_ns
        delay_ns = append_ns - stamp_of(trace)[1]
        delays[trace.sensor] = Delays(delay_ns, delay_ns, append_ns)
    heard = {sensor: cut for sensor, cut in cuts.items() if cut.samples is not None}
    return delays | {sensor: Delays(*cut.delays_ns, cut.arrival_ns) for sensor, cut in heard.items()}


def mark(observation: Observation, piece: Piece, doubts: Doubts) -> Observation:
    """The observation with IMPLAUSIBLE views and clips of sources with a wrong clock, and clips cut by a clock that
    disagrees with their sensor's. Piece events are not a modality: if only their clock is wrong, marks all clips."""
    if not doubts.odd:
        return observation
    views = {name: _view(view, doubts.odd.get(name)) for name, view in observation.views.items()}
    clips = {name: _clip(clip, _of_clip(name, piece, doubts)) for name, clip in observation.clips.items()}
    doubt = next(iter(doubts.odd.values()))
    if not _are_marked(views, clips):
        clips = {name: _clip(clip, doubt) for name, clip in clips.items()}
    if not _are_marked(views, clips):
        views = {name: _view(view, doubt) for name, view in views.items()}
    return replace(observation, views=views, clips=clips)


def _are_marked(views: Mapping[str, View], clips: Mapping[str, Clip]) -> bool:
    states = [*(view.state for view in views.values()), *(clip.state for clip in clips.values())]
    return State.IMPLAUSIBLE in states


def _of_clip(name: str, piece: Piece, doubts: Doubts) -> Doubt | None:
    sensor = piece.sensor(name)
    if name in doubts.odd or sensor is None or sensor.bind == "piece":
        return doubts.odd.get(name)
    return doubts.between(name, piece.anchor_source(sensor))


def _view(view: View, doubt: Doubt | None) -> View:
    if doubt is None or view.state is not State.PRESENT:
        return view
    return replace(view, state=State.IMPLAUSIBLE, absence=MissingReason.CLOCK, detail=doubt.text)


def _clip(clip: Clip, doubt: Doubt | None) -> Clip:
    if doubt is None or clip.state is not State.PRESENT:
        return clip
    return replace(clip, state=State.IMPLAUSIBLE, absence=MissingReason.CLOCK, detail=doubt.text)
