"""Cuts a clip again from the records that a verdict names, sample by sample as the join cut it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from inspector.archive.recordings.missing import InputError, Why
from inspector.verdicts.inputs import offsets_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.decode.items import Chunk, Trace
from streams.join.whole import Sound

Item = Chunk | Trace
_SECOND_NS = 1_000_000_000
MAX_APART_NS = 5 * _SECOND_NS
"""Between a chunk's stamp and the clip's time, which is counted from the first chunk of the stream: clocks drift. A
record that is further away is of another log."""


def cut_again(signal: pb.SignalInput, items: Mapping[int, Item], max_samples: int) -> Sound:
    """The clip; `items` are its records by offset. `max_samples` is a limit of all channels together.

    Raises InputError.
    """
    if not signal.spans:
        raise InputError(Why.NOT_NAMED, "the clip is of too many records to name")
    if any(not span.offset_steps for span in signal.spans):
        raise InputError(Why.NOT_NAMED, "the verdict names samples without their records")
    first = items[offsets_of(signal.spans[0].offset_steps)[0]]
    channels = first.samples.shape[1]
    if signal.num_samples * channels > max_samples:
        raise InputError(Why.TOO_LARGE, f"the clip has {signal.num_samples} samples of {channels} channels")
    samples = np.zeros((signal.num_samples, channels), np.float32)
    for span in signal.spans:
        if span.at + span.num_samples > signal.num_samples:
            raise InputError(Why.OTHER_RECORD, "the verdict names samples beyond the clip's end")
        _fill(samples[span.at : span.at + span.num_samples], signal, span, items)
    return Sound(first.kind, samples, first.sample_rate_hz)


def _fill(part: NDArray[np.float32], signal: pb.SignalInput, span: pb.SampleSpan, items: Mapping[int, Item]) -> None:
    """Where two records hold the same sample, that of the lower offset counts."""
    filled = np.zeros(len(part), bool)
    for offset in sorted(offsets_of(span.offset_steps)):
        item = items[offset]
        first_sample = _first_sample(item, signal, span)
        if item.samples.shape[1] != part.shape[1]:
            raise _other(f"record {offset} has {item.samples.shape[1]} channels, the first one {part.shape[1]}")
        start = max(0, first_sample - span.first_sample)
        end = min(len(part), first_sample + len(item.samples) - span.first_sample)
        if start < end:
            free = ~filled[start:end]
            skip = start + span.first_sample - first_sample
            part[start:end][free] = item.samples[skip : skip + end - start][free]
            filled[start:end] = True
    if not filled.all():
        raise _other(f"{np.count_nonzero(~filled)} of {len(part)} samples are in none of the records")


def _first_sample(item: Item, signal: pb.SignalInput, span: pb.SampleSpan) -> int:
    """Index of the record's first sample in its stream. Raises InputError for a record of another stream or time."""
    if isinstance(item, Trace):
        if item.start_ns != signal.first_ns:
            raise _other(f"the trace starts at {item.start_ns} ns, expected {signal.first_ns} ns")
        return 0
    if item.stream_id != span.stream_id:
        raise _other(f"the chunk is of stream {item.stream_id!r}, expected {span.stream_id!r}")
    ahead = span.at + item.first_sample - span.first_sample
    expected_ns = signal.first_ns + round(ahead / item.sample_rate_hz * _SECOND_NS)
    if abs(item.start_ns - expected_ns) > MAX_APART_NS:
        raise _other(f"the chunk starts at {item.start_ns} ns, expected about {expected_ns} ns")
    return item.first_sample


def _other(detail: str) -> InputError:
    return InputError(Why.OTHER_RECORD, detail)
