"""Names in a verdict the records of the log that were judged, and reads these names back."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Clip, Observation, Span, View


def inputs_of(piece: Observation) -> pb.Inputs | None:
    """None for a piece without recordings, and for one that is not from a log."""
    if piece.partition is None:
        return None
    frames = [_frame_input(view) for view in piece.views.values() if view.offsets]
    signals = [_signal_input(clip) for clip in piece.clips.values() if clip.samples is not None]
    if not frames and not signals:
        return None
    return pb.Inputs(partition=piece.partition, frames=frames, signals=signals)


def steps_of(offsets: Sequence[int]) -> list[int]:
    """The first offset, then the difference of each to the one before: a byte each instead of four or five."""
    return [*offsets[:1], *(after - before for before, after in pairwise(offsets))]


def offsets_of(steps: Iterable[int]) -> list[int]:
    """Reverses `steps_of`."""
    return list(accumulate(steps))


def spans_of(signal: pb.SignalInput) -> tuple[Span, ...]:
    """Where the samples of a clip are in the log."""
    return tuple(
        Span(span.at, span.stream_id, span.first_sample, span.num_samples, tuple(offsets_of(span.offset_steps)))
        for span in signal.spans
    )


def _frame_input(view: View) -> pb.FrameInput:
    return pb.FrameInput(camera=view.camera, offset_steps=steps_of(view.offsets), bit_depth=view.bit_depth or 0)


def _signal_input(clip: Clip) -> pb.SignalInput:
    num_samples = 0 if clip.samples is None else len(clip.samples)
    spans = [_sample_span(span) for span in clip.spans]
    return pb.SignalInput(sensor=clip.sensor, first_ns=clip.first_ns, num_samples=num_samples, spans=spans)


def _sample_span(span: Span) -> pb.SampleSpan:
    return pb.SampleSpan(
        at=span.at,
        stream_id=span.stream_id,
        first_sample=span.first_sample,
        num_samples=span.num_samples,
        offset_steps=steps_of(span.offsets),
    )
