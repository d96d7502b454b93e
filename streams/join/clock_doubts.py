"""Applies what is known of a station's clocks to its records and pieces: views and clips by a clock that cannot be
believed let nothing pass, and a record that such a clock keeps out says so."""

from collections.abc import Mapping
from dataclasses import replace

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.items import Chunk, Event, Frame, Trace
from streams.decode.limits import Finding
from streams.join.clips import SECOND_NS, Cut
from streams.join.pieces import EVENTS, Piece
from streams.join.source_clocks import Delays, Doubt, Doubts, SourceClocks
from streams.observation import Clip, MissingReason, Observation, State, View

BY_CLOCK = {
    pb.DEAD_LETTER_REASON_TOO_OLD,
    pb.DEAD_LETTER_REASON_LATE,
    pb.DEAD_LETTER_REASON_CLOCK,
    pb.DEAD_LETTER_REASON_DUPLICATE,
}
"""Dead letters that a clock may be the cause of: one that was set back stamps what was stamped before."""


def add_stamp(clocks: SourceClocks, item: Frame | Chunk | Trace | Event) -> None:
    """A record came, usable or not: its stamp says something about its source's clock."""
    source, event_ns = stamp_of(item)
    clocks.add_stamp(source, event_ns, item.origin.append_ns)


def explained(clocks: SourceClocks, item: Frame | Chunk | Trace | Event, finding: Finding) -> Finding:
    """The finding about a record, with another remedy where the clock of its source is what keeps it out."""
    source, event_ns = stamp_of(item)
    if finding.reason == pb.DEAD_LETTER_REASON_ID_READ_TWICE:
        doubt = clocks.between(source, EVENTS)
        return finding if doubt is None else Finding(finding.reason, _no_other_part(finding.detail, doubt))
    if finding.reason not in BY_CLOCK:
        return finding
    is_ahead = finding.reason == pb.DEAD_LETTER_REASON_CLOCK
    why = clocks.explain(source, item.origin.append_ns - event_ns, is_ahead=is_ahead)
    return finding if why is None else Finding(finding.reason, f"{finding.detail.rpartition(': ')[0]}: {why}")


def _no_other_part(detail: str, doubt: Doubt) -> str:
    """Records of one part look like those of two where their clocks are apart: no reader has failed."""
    return f"{detail.partition('. Mend')[0]}. Likelier than another part: {doubt.words}"


def checked(observation: Observation, piece: Piece, cuts: Mapping[str, Cut], clocks: SourceClocks) -> Observation:
    """The observation of a piece, with what its clocks do not let pass marked, and counted."""
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
    """From event to append in ns, the lowest and the highest of each source that gave the piece something."""
    delays = {source: (delay_ns, delay_ns) for source, delay_ns in piece.delays.items()}
    for trace in piece.traces.values():
        delay_ns = trace.origin.append_ns - stamp_of(trace)[1]
        delays[trace.sensor] = delay_ns, delay_ns
    return delays | {sensor: cut.delays_ns for sensor, cut in cuts.items() if cut.samples is not None}


def mark(observation: Observation, piece: Piece, doubts: Doubts) -> Observation:
    """The observation, its views and clips IMPLAUSIBLE whose source is off, and clips that were cut by a clock that
    disagrees with their sensor's. Piece events are no modality: where they alone are off, it is what they anchor."""
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
    return replace(view, state=State.IMPLAUSIBLE, absence=MissingReason.CLOCK, detail=doubt.words)


def _clip(clip: Clip, doubt: Doubt | None) -> Clip:
    if doubt is None or clip.state is not State.PRESENT:
        return clip
    return replace(clip, state=State.IMPLAUSIBLE, absence=MissingReason.CLOCK, detail=doubt.words)
