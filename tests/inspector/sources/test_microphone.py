"""A sound card's samples become one continuous stream. The card is a stand-in, see `tests/standins/sound_card.py`."""

import logging
import threading
from collections.abc import Callable

import numpy as np
import pytest

from inspector.sources.microphone import Microphone, SoundCounts
from inspector.sources.sound_clock import NS, SoundClock
from inspector.sources.sound_device import SoundAwayError, SoundInput
from inspector.sources.sound_stream import BlockQueue
from streams.decode.items import Chunk
from streams.embedded import EmbeddedLog
from streams.outage import OutagePolicy
from tests.inspector.sources.places import MIC, SPEC, items, publishing, target
from tests.standins.sound_card import CardStream, PortAudioError, SoundCard

BLOCK = 80
BLOCK_S = BLOCK / MIC.sample_rate_hz
AT_ONCE = OutagePolicy(0.001, 0.001, errors=(SoundAwayError,), lost=())
RNG = np.random.default_rng(5)


def block() -> np.ndarray:
    return RNG.integers(-9000, 9000, (BLOCK, 1)).astype(np.int16)


def record(log: EmbeddedLog, card: SoundCard, seconds: float) -> SoundCounts:
    with publishing(log) as publisher:
        wanted = SoundInput(MIC, None, BLOCK_S)
        return Microphone(card, wanted, target(SPEC), publisher, AT_ONCE).run(threading.Event(), seconds)


def chunks(log: EmbeddedLog) -> list[Chunk]:
    return [item for item in items(log) if isinstance(item, Chunk)]


def plays(*blocks: np.ndarray, overflow_at: int = -1, stops: bool = False) -> Callable[[CardStream], None]:
    """The card's clock began 100 s ago and is exact."""

    def script(stream: CardStream) -> None:
        for number, samples in enumerate(blocks):
            adc_s = 100.0 + number * BLOCK_S
            stream.call(samples.copy(), adc_s, adc_s + BLOCK_S, input_overflow=number == overflow_at)
        stream.active = not stops

    return script


def test_samples_come_whole_and_counted(log: EmbeddedLog) -> None:
    played = [block() for _ in range(5)]
    card = SoundCard([plays(*played)])
    counts = record(log, card, 5 * BLOCK_S)
    found = chunks(log)
    assert str(counts) == "0.1 s of sound in 5 records"
    assert [chunk.first_sample for chunk in found] == [0, 80, 160, 240, 320]
    assert len({chunk.stream_id for chunk in found}) == 1
    heard = np.concatenate([chunk.samples for chunk in found])
    assert np.array_equal(heard, np.concatenate(played).astype(np.float32) / 32768)
    assert card.opened[0].is_closed


def test_the_card_is_opened_as_the_recipe_says(log: EmbeddedLog) -> None:
    card = SoundCard([plays(block())])
    record(log, card, BLOCK_S)
    assert card.opened[0].options == {
        "device": None,
        "samplerate": 8000.0,
        "channels": 1,
        "dtype": "int16",
        "blocksize": BLOCK,
    }


def test_an_overflow_begins_a_new_stream_is_counted_and_said(
    log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        counts = record(log, SoundCard([plays(*[block() for _ in range(4)], overflow_at=2)]), 4 * BLOCK_S)
    found = chunks(log)
    assert counts.overflows == 1
    assert [chunk.first_sample for chunk in found] == [0, 80, 0, 80]
    assert [chunk.stream_id for chunk in found].index(found[2].stream_id) == 2
    assert "the sound card lost samples" in caplog.text


@pytest.mark.parametrize("failure", [PortAudioError("Device unavailable"), ValueError("No input device matching 'x'")])
def test_a_card_that_is_away_is_opened_again(
    log: EmbeddedLog, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    card = SoundCard([failure, plays(block(), stops=True), plays(block())])
    with caplog.at_level(logging.WARNING):
        counts = record(log, card, 2 * BLOCK_S)
    assert counts.restarts == 2
    assert [chunk.first_sample for chunk in chunks(log)] == [0, 0]
    assert f"mic: no sound ({failure}" in caplog.text
    assert "mic is heard again." in caplog.text


def test_exact_silence_is_said(log: EmbeddedLog, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        record(log, SoundCard([plays(np.zeros((BLOCK, 1), np.int16))]), BLOCK_S)
    assert "is the input muted" in caplog.text


def test_sound_that_waits_is_bounded_and_the_loss_is_marked() -> None:
    blocks = BlockQueue(block_s=0.1, most_s=1.0)
    for number in range(15):
        blocks.put(block(), number, card_lost=False)
    assert blocks.dropped == 5
    taken = [blocks.get(0.0) for _ in range(10)]
    assert [one.first_ns for one in taken if one is not None] == list(range(10))
    assert blocks.get(0.0) is None
    blocks.put(block(), 99, card_lost=False)
    after = blocks.get(0.0)
    assert after is not None
    assert after.is_after_loss


def test_stamps_follow_the_card_s_clock_whatever_delays_the_callback() -> None:
    clock, wall_ns = SoundClock(), 1_700_000_000 * NS
    stamps = []
    for number in range(200):
        adc_s = 50.0 + 0.1 * number
        delay_ns = round(RNG.exponential(0.02) * NS) if number else 0
        stamps.append(clock.first_ns(adc_s, adc_s + 0.1, wall_ns + round((adc_s + 0.1) * NS) + delay_ns, 0.1))
    steps = np.diff(stamps) / NS
    assert not clock.is_guessed
    assert np.abs(steps[:99] - 0.1).max() < 1e-6
    assert np.abs(steps - 0.1).max() < 0.01


def test_without_a_clock_of_the_card_the_arrival_counts() -> None:
    clock = SoundClock()
    assert clock.first_ns(0.0, 12.0, 10 * NS, 0.5) == 10 * NS - NS // 2
    assert clock.is_guessed
