"""Opens an input of a sound card through the package sounddevice (PortAudio)."""

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, cast

from inspector.sources.sound_clock import SoundClock
from inspector.sources.sound_stream import BlockQueue, Samples
from streams.join.assembly import SensorSpec


class SoundMissingError(Exception):
    """Sound cannot be recorded on this machine; the message says what to install."""


class SoundAwayError(Exception):
    """The sound card gives no samples now; the message says why. Trying again later may help."""


class StreamTime(Protocol):
    """PortAudio's `PaStreamCallbackTimeInfo`, in seconds of the stream's own clock."""

    inputBufferAdcTime: float  # noqa: N815 - PortAudio's name
    currentTime: float  # noqa: N815 - PortAudio's name


class Status(Protocol):
    """sounddevice's `CallbackFlags`."""

    input_overflow: bool


Callback = Callable[[Samples, int, StreamTime, Status], None]


class SoundInputStream(Protocol):
    """sounddevice's `InputStream`, as far as it is used."""

    active: bool

    def start(self) -> None: ...

    def close(self) -> None: ...


class SoundModule(Protocol):
    """The package sounddevice, as far as it is used."""

    PortAudioError: type[Exception]

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
    ) -> SoundInputStream: ...

    def query_devices(self) -> object: ...


class SoundInput(NamedTuple):
    """Which input, and how its samples come."""

    sensor: SensorSpec
    device: int | str | None
    """Number or part of the name; None: the system's default."""
    block_s: float = 0.1
    is_float: bool = False
    """float32 keeps the 24 bits of a measuring card; int16 is half as large."""


def load_sounddevice() -> SoundModule:
    """Raises SoundMissingError."""
    try:
        return cast("SoundModule", importlib.import_module("sounddevice"))
    except ModuleNotFoundError as exc:
        raise SoundMissingError("sounddevice is not installed: in the checkout, pip install '.[microphone]'") from exc
    except OSError as exc:
        raise SoundMissingError(
            f"the PortAudio library is not installed ({exc}): apt-get install libportaudio2 (on macOS and Windows "
            "it comes with the package)"
        ) from exc
    except Exception as exc:  # its own error, when PortAudio cannot start: that class cannot be imported then
        raise SoundMissingError(
            f"PortAudio does not start here ({exc}): correct the sound system's settings, such as ~/.asoundrc"
        ) from exc


@contextmanager
def recording(module: SoundModule, sound_input: SoundInput, blocks: BlockQueue) -> Iterator[SoundInputStream]:
    """While the context lasts, samples go to `blocks`. Raises SoundAwayError."""
    clock = SoundClock(sound_input.sensor.sample_rate_hz)

    def take(samples: Samples, num_samples: int, times: StreamTime, status: Status) -> None:
        wall_ns = time.time_ns()
        has_lost = bool(status.input_overflow)
        if has_lost:
            clock.begin()
        first_ns = clock.first_ns(times.inputBufferAdcTime, times.currentTime, wall_ns, num_samples)
        blocks.put(samples.copy(), first_ns, card_lost=has_lost)

    try:
        stream = module.InputStream(
            device=sound_input.device,
            samplerate=sound_input.sensor.sample_rate_hz,
            channels=sound_input.sensor.num_channels,
            dtype="float32" if sound_input.is_float else "int16",
            blocksize=max(1, round(sound_input.block_s * sound_input.sensor.sample_rate_hz)),
            latency=sound_input.block_s,
            callback=take,
        )
        try:
            stream.start()
            yield stream
        finally:
            stream.close()
    except (module.PortAudioError, ValueError) as exc:  # ValueError: no device of that name
        raise SoundAwayError(f"{exc}; inspector source microphone --list shows the devices") from exc
