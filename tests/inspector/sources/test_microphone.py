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
        "latency": BLOCK_S,
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


def stamps_of(clock: SoundClock, num_blocks: int, ppm: float, noise_s: float) -> np.ndarray:
    """Stamps less those of an exact clock, in seconds. The card runs `ppm` too slowly; callbacks come late, and the
    card's times are wrong by up to `noise_s`."""
    wall_ns, apart = 1_700_000_000 * NS, []
    for number in range(num_blocks):
        true_s = 50.0 + 0.1 * number * (1 + ppm * 1e-6)
        adc_s = true_s + RNG.uniform(-noise_s, noise_s)
        late_s = RNG.exponential(0.02)
        called_ns = wall_ns + round((true_s + 0.15 + late_s) * NS)
        first_ns = clock.first_ns(adc_s, true_s + 0.15, called_ns, 800)
        apart.append((first_ns - wall_ns) / NS - true_s)
    return np.array(apart)


def test_stamps_follow_the_card_whatever_delays_the_callback_and_blurs_its_times() -> None:
    clock = SoundClock(8000.0)
    apart = stamps_of(clock, 3000, ppm=50.0, noise_s=0.1)
    assert not clock.is_guessed
    assert np.abs(apart[200:]).max() < 0.03
    assert np.abs(np.diff(apart[20:])).max() < 0.00025


def test_stamps_of_an_exact_card_are_exact() -> None:
    assert np.abs(stamps_of(SoundClock(8000.0), 300, ppm=0.0, noise_s=0.0)[100:]).max() < 0.002


def test_after_a_loss_the_count_begins_anew() -> None:
    clock = SoundClock(8000.0)
    clock.first_ns(10.0, 10.1, 100 * NS, 800)
    clock.begin()
    assert clock.first_ns(15.0, 15.1, 105 * NS, 800) == 105 * NS - NS // 10


def test_without_a_clock_of_the_card_the_arrival_counts() -> None:
    clock = SoundClock(8000.0)
    assert clock.first_ns(0.0, 12.0, 10 * NS, 4000) == 10 * NS - NS // 2
    assert clock.is_guessed


def test_samples_that_come_late_are_said_with_the_remedy(log: EmbeddedLog, caplog: pytest.LogCaptureFixture) -> None:
    def late(stream: CardStream) -> None:
        stream.call(block(), 100.0, 102.0)

    with caplog.at_level(logging.WARNING):
        record(log, SoundCard([late]), BLOCK_S)
    assert "samples come 2.0 s after they were taken" in caplog.text
    assert "raise [join] max_delay_s" in caplog.text
