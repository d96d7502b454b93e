"""The records that a sensor's next one is compared with: bounded, and known to a successor to the millisecond."""

from dataclasses import replace

import numpy as np

from streams.decode.items import Chunk, Origin
from streams.join.chunk_history import KEPT_RECORDS, ChunkHistory

T0 = 1_700_000_000_000_000_000
DAY_NS = 86_400_000_000_000


def chunk(seed: int, start_ns: int) -> Chunk:
    samples = np.random.default_rng(seed).normal(size=(100, 1)).astype(np.float32)
    return Chunk(Origin("signals", 0, 0, start_ns), "l", "a", "mic", "audio", "s", 0, start_ns, 100.0, samples)


def settled(history: ChunkHistory, record: Chunk) -> ChunkHistory:
    content, _ = history.note(record)
    assert content is not None
    history.settle([content])
    return history


def test_a_successor_knows_when_the_samples_came_before() -> None:
    left = settled(ChunkHistory([]), chunk(1, T0)).settled
    for later_ns in (1_000_000, DAY_NS, 24 * DAY_NS, -DAY_NS):
        assert ChunkHistory(left).note(chunk(1, T0 + later_ns))[1] == T0


def test_what_is_not_settled_is_read_again() -> None:
    history = ChunkHistory([])
    history.note(chunk(1, T0))
    assert history.settled == []


def test_so_many_records_are_kept() -> None:
    history = ChunkHistory([])
    for seed in range(KEPT_RECORDS + 1):
        settled(history, chunk(seed, T0 + seed * 1_000_000))
    assert len(history.settled) == len(history._starts_ms) == KEPT_RECORDS
    assert history.note(chunk(0, T0 + DAY_NS))[1] is None
    assert history.note(chunk(2, T0 + DAY_NS))[1] == T0 + 2_000_000


def test_silence_takes_no_place() -> None:
    silent = replace(chunk(1, T0), samples=np.zeros((100, 1), np.float32))
    history = ChunkHistory([])
    assert history.note(silent) == (None, None)
    assert history.note(silent) == (None, None)
