"""A stand-in for the package sounddevice: no sound card, no PortAudio. Its stream calls back on the test's word."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from inspector.sources.sound_device import Callback


class PortAudioError(Exception):
    """As sounddevice names its own."""


@dataclass
class CardStream:
    """What `InputStream` returns."""

    callback: Callback
    script: Callable[["CardStream"], None]
    options: dict[str, object]
    active: bool = True
    is_closed: bool = False

    def start(self) -> None:
        self.script(self)

    def close(self) -> None:
        self.active, self.is_closed = False, True

    def call(
        self, samples: np.ndarray, adc_s: float = 0.0, current_s: float = 0.0, *, input_overflow: bool = False
    ) -> None:
        """What PortAudio does from its own thread; the buffer is used again afterwards."""
        times = SimpleNamespace(inputBufferAdcTime=adc_s, currentTime=current_s)
        self.callback(samples, len(samples), times, SimpleNamespace(input_overflow=input_overflow))
        samples[:] = 0


@dataclass
class SoundCard:
    """In place of the module. Each opening runs the next script, or raises it."""

    scripts: list[Callable[[CardStream], None] | Exception]
    opened: list[CardStream] = field(default_factory=list)
    PortAudioError: type[Exception] = PortAudioError

    def InputStream(  # noqa: N802 - sounddevice's name
        self,
        *,
        device: int | str | None,
        samplerate: float,
        channels: int,
        dtype: str,
        blocksize: int,
        latency: float,
        callback: Callback,
    ) -> CardStream:
        options: dict[str, object] = {"device": device, "samplerate": samplerate, "channels": channels}
        options |= {"dtype": dtype, "blocksize": blocksize, "latency": latency}
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        stream = CardStream(callback, script, options)
        self.opened.append(stream)
        return stream

    def query_devices(self) -> str:
        return "0 Stand-in (1 in)"
