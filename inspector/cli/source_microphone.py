"""`inspector source microphone`: the samples of a sound card as one continuous stream."""

from dataclasses import asdict
from functools import partial

import click

from inspector.cli.errors import report_user_errors
from inspector.cli.source_place import Place, Resolved, place_options
from inspector.sources.microphone import Microphone
from inspector.sources.sound_device import SoundInput, SoundMissingError, load_sounddevice
from inspector.sources.target import TargetError
from streams.join.assembly import SensorSpec

ERRORS = (SoundMissingError, TargetError)


@click.command()
@click.option("--sensor", help="Its name in the recipe; with --kafka NAME:KIND:RATE_HZ[:CHANNELS].")
@click.option("--device", help="Number or a part of the name. Default: the system's input.")
@click.option("--list", "is_list", is_flag=True, help="Show the devices of this machine, and end.")
@click.option("--chunk-s", default=0.1, show_default=True, type=click.FloatRange(0.01, 1), help="Seconds per record.")
@click.option("--float", "is_float", is_flag=True, help="Samples of 32 bits, for cards of 24. Default: 16 bits.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds of sound.")
@place_options
@report_user_errors(*ERRORS)
def microphone(
    place: Place,
    sensor: str | None,
    device: str | None,
    is_list: bool,
    chunk_s: float,
    is_float: bool,
    duration: float | None,
) -> None:
    """Publishes a microphone, or whatever else a sound card records, as a continuous stream.

    The stream carries no piece ids: the service cuts each piece's window out of it, by the event or picture that the
    same station's camera, folder or controller sends. Rate and channels are the recipe's. Samples are stamped by the
    sound card's clock. Overflows are counted and said; the pieces of such a moment lack their sound and go to REVIEW.

    \b
    inspector source microphone --list
    inspector source microphone --config service.toml
    inspector source microphone --sensor acc --device "USB Audio" --float --config service.toml
    inspector source microphone --kafka kafka-1:9092 --line line-1 --sensor mic:audio:16000
    """
    if is_list:
        click.echo(str(load_sounddevice().query_devices()))
        return
    resolved = place.resolve((), () if sensor is None else (sensor,))
    sound_input = SoundInput(_sensor(resolved, sensor), _device(device), chunk_s, is_float)
    module = load_sounddevice()
    spec = sound_input.sensor
    click.echo(
        f"{spec.name}: {spec.num_channels} channel(s) at {spec.sample_rate_hz:g} Hz, to {resolved.describe()}",
        err=True,
    )
    with resolved.open() as (publisher, stop):
        heard = Microphone(module, sound_input, resolved.target, publisher)
        with resolved.measured("microphone", partial(asdict, heard.counts)):
            counts = heard.run(stop, duration)
    click.echo(f"published {counts} on {resolved.target.topics.line}/{resolved.target.station}")


def _device(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdecimal() else text


def _sensor(resolved: Resolved, name: str | None) -> SensorSpec:
    """The one of that name, or the only continuous one. Raises TargetError."""
    streams = [sensor for sensor in resolved.target.spec.sensors if sensor.bind == "time"]
    if resolved.is_bare and not streams:
        raise TargetError("without --config nobody knows the sensor: name it, such as --sensor mic:audio:16000")
    fitting = [sensor for sensor in streams if resolved.is_bare or name in (None, sensor.name)]
    if len(fitting) != 1:
        known = ", ".join(sensor.name for sensor in streams) or "none"
        raise TargetError(f"continuous sensors of the recipe: {known}; choose one with --sensor")
    return fitting[0]
