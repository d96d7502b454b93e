"""Publishes the samples of a sound card as one continuous stream. Comes back when the card does."""

import logging
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from inspector.sources.patient import PatientPublisher, StoppedError
from inspector.sources.sound_device import SoundAwayError, SoundInput, SoundInputStream, SoundModule, recording
from inspector.sources.sound_stream import Block, BlockQueue, Chunks
from inspector.sources.target import Target
from streams.encoding import to_output
from streams.outage import Outage, OutageLines, OutagePolicy
from streams.reminder import Reminder

log = logging.getLogger("inspector.sources")
SILENT_S, LATE_S = 5.0, 0.5
"""A card that gives no samples for this long is opened again."""
FLUSH_S, REPORT_S, FULL_SCALE = 1.0, 60.0, 32768.0
_LOOK_S = 0.2


@dataclass(slots=True)
class SoundCounts:
    chunks: int = 0
    seconds: float = 0.0
    overflows: int = 0
    """Times that the sound card lost samples."""
    dropped: int = 0
    """Blocks that were lost because the log was away."""
    restarts: int = 0
    """Times that the card was opened again."""

    def __str__(self) -> str:
        words = f"{self.seconds:.1f} s of sound in {self.chunks} records"
        for count, text in (
            (self.overflows, "overflows of the sound card"),
            (self.dropped, "blocks lost while the log was away"),
            (self.restarts, "restarts of the card"),
        ):
            words += f", {count} {text}" if count else ""
        return words


@dataclass(slots=True)
class Microphone:
    """One input of a sound card. One thread runs it."""

    module: SoundModule
    sound_input: SoundInput
    target: Target
    publisher: PatientPublisher
    policy: OutagePolicy = OutagePolicy(0.5, 15.0, errors=(SoundAwayError,), lost=())  # noqa: RUF009 - frozen
    counts: SoundCounts = field(default_factory=SoundCounts)
    _blocks: BlockQueue = field(init=False)
    _chunks: Chunks = field(init=False)
    _reminder: Reminder[str] = field(default_factory=lambda: Reminder(REPORT_S))
    _flushed_s: float = 0.0

    def __post_init__(self) -> None:
        self._blocks = BlockQueue(self.sound_input.block_s)
        self._chunks = Chunks(self.target, self.sound_input.sensor)

    def run(self, stop: threading.Event, most_s: float | None = None) -> SoundCounts:
        """Until `stop` is set or so many seconds are published. Raises LogError."""
        name = self.sound_input.sensor.name
        lines = OutageLines(log, lambda why: f"{name}: no sound ({why}). Trying again.", f"{name} is heard again.")
        outage = Outage(lines, self.policy)
        try:
            while not self._is_over(stop, most_s):
                try:
                    with recording(self.module, self.sound_input, self._blocks) as stream:
                        self._listen(stream, stop, outage, most_s)
                except SoundAwayError as exc:
                    self.counts.restarts += 1
                    stop.wait(outage.failed(exc))
                    self._chunks.begin()
            self.publisher.flush()
        except StoppedError as exc:
            log.warning("%s", exc)
        return self.counts

    def _is_over(self, stop: threading.Event, most_s: float | None) -> bool:
        return stop.is_set() or (most_s is not None and self.counts.seconds >= most_s - 1e-6)

    def _listen(self, stream: SoundInputStream, stop: threading.Event, outage: Outage, most_s: float | None) -> None:
        heard_s = time.monotonic()
        while not self._is_over(stop, most_s):
            block = self._blocks.get(_LOOK_S)
            if block is not None:
                heard_s = time.monotonic()
                outage.worked()
                self._publish(block)
            elif not stream.active:
                raise SoundAwayError("the device has stopped; is it still plugged in?")
            elif time.monotonic() - heard_s > SILENT_S:
                raise SoundAwayError(f"the device gave no samples for {SILENT_S:g} s")
            self._report()

    def _publish(self, block: Block) -> None:
        if not self.counts.chunks:
            log.info("%s", _level(self.sound_input.sensor.name, block))
        self._check_delay(block)
        self.publisher.publish([to_output(self.target.topics, self._chunks.of(block))])
        self.counts.chunks += 1
        self.counts.seconds += len(block.samples) / self.sound_input.sensor.sample_rate_hz
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self.publisher.flush()
            self._flushed_s = time.monotonic()

    def _check_delay(self, block: Block) -> None:
        """The service does not wait for sound for long."""
        end_ns = block.first_ns + round(len(block.samples) / self.sound_input.sensor.sample_rate_hz * 1e9)
        delay_s = (time.time_ns() - end_ns) / 1e9
        if delay_s > LATE_S:
            words = (
                f"samples come {delay_s:.1f} s after they were taken, and the service waits max_delay_s for them: "
                "raise [join] max_delay_s, or lower the delay of the sound system"
            )
            self._reminder.add("delay", self.sound_input.sensor.name, words)

    def _report(self) -> None:
        """One line a minute for each kind of loss."""
        name = self.sound_input.sensor.name
        for before, after, words in (
            (
                self.counts.overflows,
                self._blocks.overflows,
                "the sound card lost samples, which pieces of that moment lack",
            ),
            (
                self.counts.dropped,
                self._blocks.dropped,
                "sound was lost while the log was away",
            ),
        ):
            for _ in range(after - before):
                self._reminder.add(words, name, words)
        self.counts.overflows, self.counts.dropped = self._blocks.overflows, self._blocks.dropped
        for _, happened in self._reminder.due(time.monotonic()):
            log.warning("%s: %s (%d times).", name, happened.words, happened.count)


def _level(name: str, block: Block) -> str:
    scale = FULL_SCALE if block.samples.dtype == np.int16 else 1.0
    rms = float(np.sqrt(np.mean(np.square(block.samples.astype(np.float64) / scale))))
    if rms == 0.0:
        return f"{name}: hears exact silence: is the input muted, or the wrong one (--list)?"
    return f"{name}: hears {20 * np.log10(rms):.0f} dB below full scale."
