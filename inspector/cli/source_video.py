"""`inspector source camera` and `rtsp`: a piece for each trigger, with the pictures taken from then on."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial, wraps
from pathlib import Path

import click
import cv2

from inspector.cli.errors import report_user_errors
from inspector.cli.sizes import size_px
from inspector.cli.source_place import Place, Resolved, cameras_of, large_hours_option, place_options, seconds
from inspector.sources.cameras import CameraStation
from inspector.sources.newest import Follower, Opener
from inspector.sources.pictures import FrameContent, PictureError
from inspector.sources.target import TargetError
from inspector.sources.triggers import Numbered, Trigger, at_rhythm, from_lines
from inspector.sources.video import device, quiet, shown_url, stream, video_file, with_login

ERRORS = (PictureError, TargetError)
_OPTIONS = (
    click.option("--camera", "names", multiple=True, help="Name in the recipe; once per device. Default: its order."),
    click.option("--every", type=click.FloatRange(min=0.01), help="A piece each so many seconds. Default: 1."),
    click.option(
        "--stdin",
        "lines",
        is_flag=True,
        help="A piece for each line `PIECE_ID [PRODUCT]` on standard input, from a PLC bridge or a scanner; an empty "
        "line gets a number. Ends with the input.",
    ),
    click.option("--count", type=click.IntRange(1), help="End after this many pieces."),
    click.option("--id-prefix", help="Ids of numbered pieces begin so. Default: date and time of the start."),
    click.option(
        "--wait",
        "wait_s",
        default=2.0,
        show_default=True,
        type=click.FloatRange(0.01, 60),
        help="Seconds that a piece waits for its pictures.",
    ),
    click.option("--jpeg", type=click.IntRange(1, 100), metavar="QUALITY", help="Send JPEG. Default: PNG, every bit."),
    click.option("--large-to", metavar="PREFIX", help="Folder or store for pictures larger than a record."),
    large_hours_option,
)


@dataclass(frozen=True, slots=True)
class Shooting:
    """When pieces come, and how their pictures are sent."""

    names: tuple[str, ...]
    every_s: float | None
    lines: bool
    count: int | None
    id_prefix: str | None
    wait_s: float
    jpeg: int | None
    large_to: str | None
    large_hours: float | None

    def triggers(self, stop: threading.Event) -> Iterator[Trigger]:
        numbered = Numbered(self.id_prefix)
        if self.lines:
            return from_lines(sys.stdin, stop, numbered)
        return at_rhythm(self.every_s or 1.0, stop, numbered)


def shooting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command, which gets `shooting` in their stead."""

    @wraps(command)
    def call(
        names: tuple[str, ...],
        every: float | None,
        lines: bool,
        count: int | None,
        id_prefix: str | None,
        wait_s: float,
        jpeg: int | None,
        large_to: str | None,
        large_hours: float | None,
        **options: object,
    ) -> None:
        if lines and every is not None:
            raise click.UsageError("give one of --every SECONDS and --stdin")
        shooting = Shooting(names, every, lines, count, id_prefix, wait_s, jpeg, large_to, large_hours)
        command(shooting=shooting, **options)

    wrapped: Callable[..., None] = call
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


@click.command()
@click.argument("index", type=click.IntRange(0), nargs=-1, required=True)
@click.option("--size", metavar="WIDTHxHEIGHT", help="Ask the cameras for this size in pixels.")
@shooting_options
@place_options
@report_user_errors(*ERRORS)
def camera(place: Place, shooting: Shooting, index: tuple[int, ...], size: str | None) -> None:
    """Publishes pieces with pictures of cameras at this machine, by INDEX (0 is the first).

    Every piece gets the first pictures taken after its trigger, never an older one. A camera that is away is waited
    for; pieces come without its pictures then, and the service sends them to REVIEW.

    \b
    inspector source camera 0 --every 2 --config service.toml
    inspector source camera 0 2 --camera top --camera side --stdin --config service.toml
    echo P-4711 | inspector source camera 0 --stdin --kafka kafka-1:9092 --line line-1 --camera top
    """
    taken_px = None if size is None else size_px(size)
    devices = [(f"camera {number}", device(number, taken_px)) for number in index]
    publish_pictures(place.resolve(shooting.names), shooting, devices)


@click.command()
@click.argument("url", nargs=-1, required=True)
@click.option("--user", help="User of the stream.")
@click.option("--password-env", help="Name of the variable with the password; a command line is seen by everybody.")
@click.option("--again", is_flag=True, help="A file begins again at its end.")
@shooting_options
@place_options
@report_user_errors(*ERRORS)
def rtsp(
    place: Place, shooting: Shooting, url: tuple[str, ...], user: str | None, password_env: str | None, again: bool
) -> None:
    """Publishes pieces with pictures of network cameras (rtsp://, http://), or of video files at their own speed.

    Pictures are stamped when they arrive: a stream is 0.1 to 2 seconds late, which adds to a piece's capture time.
    Where sound is cut to the piece, set capture_span_s and the sensors' windows with that in mind.

    \b
    inspector source rtsp rtsp://192.168.0.10/stream1 --user viewer --password-env CAM --every 2 --config service.toml
    inspector source rtsp recorded.mp4 --every 0.5 --count 20 --config service.toml
    """
    resolved = place.resolve(shooting.names)
    password = None if password_env is None else os.environ.get(password_env)
    if password_env is not None and password is None:
        raise click.ClickException(f"the variable {password_env} is not set; set it to the password of the stream")
    devices = [(shown_url(one), _video(one, user, password, again=again)) for one in url]
    publish_pictures(resolved, shooting, devices)


def _video(url: str, user: str | None, password: str | None, *, again: bool) -> Opener:
    if "://" in url:
        return stream(with_login(url, user, password))
    if not Path(url).is_file():
        raise click.ClickException(f"{url} is no file and no address; write rtsp://HOST/PATH, or correct the path")
    return video_file(Path(url), again=again)


def publish_pictures(resolved: Resolved, shooting: Shooting, devices: Sequence[tuple[str, Opener]]) -> None:
    """Follows all devices and publishes a piece for each trigger."""
    names = cameras_of(resolved.target, shooting.names, len(devices))
    content = FrameContent(resolved.target, shooting.large_to, seconds(shooting.large_hours))
    quiet()
    cv2.setNumThreads(1)
    followers = {name: Follower(shown, opener) for name, (shown, opener) in zip(names, devices, strict=True)}
    _say(resolved, shooting, followers)
    with resolved.open() as (publisher, stop), ExitStack() as stack:
        for follower in followers.values():
            stack.enter_context(follower)
        station = CameraStation(resolved.target, publisher, content, followers, shooting.wait_s, shooting.jpeg)
        stack.enter_context(resolved.measured("camera", partial(asdict, station.counts)))
        done = station.run(shooting.triggers(stop), stop, shooting.count)
    click.echo(f"published {done} on {resolved.target.topics.line}/{resolved.target.station}")


def _say(resolved: Resolved, shooting: Shooting, followers: dict[str, Follower]) -> None:
    shown = ", ".join(f"{name} = {follower.name}" for name, follower in followers.items())
    when = "a line on standard input" if shooting.lines else f"each {shooting.every_s or 1.0:g} s"
    click.echo(f"{shown}: a piece for {when}, to {resolved.describe()}; Ctrl+C ends", err=True)
