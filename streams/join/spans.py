"""Describes which records of the log hold the samples of a clip, compactly enough for a verdict."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.observation import Span

MAX_OFFSETS = 4096
"""Of a clip: 40 s in chunks of 10 ms. A clip in more records is not described: a producer may send chunks of one
sample, and the verdict must stay small."""
MAX_SPANS = 256


class Part(NamedTuple):
    """Samples of one record in the clip."""

    run: object
    """Equal for records whose samples are counted from the same anchor."""
    stream_id: str
    at: int
    """Index in the clip of its first sample."""
    first_sample: int
    """Index of its first sample, counted from the start of the stream."""
    num_samples: int
    offset: int


def spans_of(parts: Iterable[Part]) -> tuple[Span, ...]:
    """The parts, in order of the clip, joined where they continue each other in clip and stream; none if too many."""
    spans: list[Span] = []
    for span in map(_span, _continued(parts)):
        spans.append(span)
        if len(spans) > MAX_SPANS or sum(len(span.offsets) for span in spans) > MAX_OFFSETS:
            return ()
    return tuple(spans)


def _continued(parts: Iterable[Part]) -> Iterator[list[Part]]:
    group: list[Part] = []
    for part in parts:
        if group and not _continues(group[-1], part):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _continues(part: Part, after: Part) -> bool:
    follows = (part.at + part.num_samples, part.first_sample + part.num_samples)
    return after.run is part.run and (after.at, after.first_sample) == follows


def _span(parts: list[Part]) -> Span:
    first = parts[0]
    num_samples = sum(part.num_samples for part in parts)
    offsets = tuple(dict.fromkeys(part.offset for part in parts))
    return Span(first.at, first.stream_id, first.first_sample, num_samples, offsets)
