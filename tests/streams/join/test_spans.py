"""The spans of a clip name the records with which it can be cut again, sample by sample."""

from random import Random

import numpy as np
import pytest

from streams.decode.items import Chunk, Origin
from streams.join import spans as module
from streams.join.assembly import SensorSpec
from streams.join.clips import SensorStream, Window
from streams.join.spans import Part, spans_of
from streams.observation import Span

MS = 1_000_000
T0 = 1_700_000_000_000 * MS
RATE_HZ = 1000.0


def chunk(offset: int, first: int, num: int, stream_id: str, start_ms: float) -> Chunk:
    samples = np.random.default_rng(offset).normal(size=(num, 2)).astype(np.float32)
    origin = Origin("signals", 0, offset, T0)
    start_ns = T0 + round(start_ms * MS)
    return Chunk(origin, "l", "a", "mic", "audio", stream_id, first, start_ns, RATE_HZ, samples)


def cut_again(chunks: dict[int, Chunk], spans: tuple[Span, ...], length: int) -> np.ndarray:
    """The rule that the wire contract states."""
    clip = np.zeros((length, 2), np.float32)
    for span in spans:
        filled = np.zeros(span.num_samples, bool)
        for offset in sorted(span.offsets):
            of = chunks[offset]
            assert of.stream_id == span.stream_id
            for index in range(span.num_samples):
                place = span.first_sample + index - of.first_sample
                if 0 <= place < len(of.samples) and not filled[index]:
                    clip[span.at + index], filled[index] = of.samples[place], True
        assert filled.all()
    return clip


@pytest.mark.parametrize("seed", range(60))
def test_a_clip_can_be_cut_again_from_the_records_that_its_spans_name(seed: int) -> None:
    """With overlapping, doubled, late and restarted chunks, and stamps that drift beyond the jitter."""
    random = Random(seed)
    source = SensorStream(SensorSpec("mic", "audio", RATE_HZ, num_channels=2), 0.005)
    chunks: dict[int, Chunk] = {}
    for offset in random.sample(range(10_000), 60):
        chunks[offset] = _any_chunk(random, offset)
    for offset in sorted(chunks):
        source.place(chunks[offset])
    for _ in range(10):
        start_ms = random.uniform(-50, 450)
        window = Window(T0 + round(start_ms * MS), T0 + round((start_ms + random.uniform(1, 200)) * MS))
        cut = source.cut(window)
        if cut.samples is not None:
            again = cut_again(chunks, cut.spans, len(cut.samples))
            assert again.tobytes() == cut.samples.tobytes()
            assert sum(span.num_samples for span in cut.spans) == round(cut.coverage * len(cut.samples))


def _any_chunk(random: Random, offset: int) -> Chunk:
    first = random.randrange(0, 500)
    stamp_ms = first + random.choice([0.0, 0.0, 0.4, random.uniform(-20, 20)])
    return chunk(offset, first, random.randrange(1, 40), random.choice(["a", "a", "b"]), stamp_ms)


def test_steady_chunks_make_one_span() -> None:
    source = SensorStream(SensorSpec("mic", "audio", RATE_HZ, num_channels=2), 0.02)
    for number in range(10):
        source.place(chunk(3 * number, 10 * number, 10, "a", 10.0 * number))
    cut = source.cut(Window(T0 + 5 * MS, T0 + 35 * MS))
    assert cut.spans == (Span(0, "a", 5, 30, (0, 3, 6, 9)),)


def test_a_clip_of_too_many_records_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OFFSETS", 5)
    monkeypatch.setattr(module, "MAX_SPANS", 3)
    run = object()
    parts = [Part(run, "s", index, index, 1, index) for index in range(6)]
    assert len(spans_of(parts[:5])) == 1
    assert spans_of(parts) == ()
    apart = [Part(run, "s", 2 * index, index, 1, 1) for index in range(4)]
    assert len(spans_of(apart[:3])) == 3
    assert spans_of(apart) == ()
