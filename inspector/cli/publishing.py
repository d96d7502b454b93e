"""The common part of `replay` and `simulate`: options of a line and its faults, progress bar, summary."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import click
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import Progress

from inspector.cli.credentials import TOKEN_HELP, TOKEN_PATH, principal_for
from inspector.config.opening import open_log_briefly
from inspector.config.service import load_service
from inspector.replay.faults import Faults, Silence
from inspector.replay.pacing import Clock, Published
from inspector.replay.pieces import PieceSource
from inspector.replay.run import Request, Run, prepare
from streams.log import Publisher
from streams.records import TYPE_PREFIX, Output

_KEY = "inspector.publishing"
Command = TypeVar("Command", bound=Callable[..., None])


class PublishOptions(BaseModel):
    """The shared options; see their help texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float
    line: str | None
    recipe: str | None
    stations: int
    chunk_s: float
    pass_number: int
    jitter: float
    skew: float
    drop: float
    duplicate: float
    reorder: float
    silent: tuple[str, ...]
    seed: int
    truth: Path | None
    token_file: Path | None

    @property
    def request(self) -> Request:
        """Raises click.BadParameter for a silence that cannot be read."""
        return Request(
            rate_hz=self.rate,
            line=self.line,
            recipe=self.recipe,
            stations=self.stations,
            chunk_s=self.chunk_s,
            pass_number=self.pass_number,
            faults=Faults(
                jitter_s=self.jitter,
                skew_s=self.skew,
                drop=self.drop,
                duplicate=self.duplicate,
                reorder=self.reorder,
                silences=tuple(map(parse_silence, self.silent)),
                seed=self.seed,
            ),
            truth=self.truth,
        )


def parse_silence(text: str) -> Silence:
    """`mic:20:23` or `station-2/mic:20:23`: a sensor, and from when to when in seconds after the first piece."""
    place, _, times = text.partition(":")
    station, _, sensor = place.rpartition("/")
    try:
        from_s, to_s = (float(part) for part in times.split(":"))
    except ValueError as exc:
        raise click.BadParameter(f"{text!r}: expected [STATION/]SENSOR:FROM_S:TO_S, such as mic:20:23") from exc
    if not sensor or not 0 <= from_s < to_s:
        raise click.BadParameter(f"{text!r}: needs a sensor, and times that go forward from 0")
    return Silence(sensor, from_s, to_s, station or None)


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> object:
    ctx.meta.setdefault(_KEY, {})[param.name] = value
    return value


def _option(
    flag: str, default: object, kind: "click.ParamType[object, str]", text: str
) -> Callable[[Command], Command]:
    return click.option(
        flag,
        default=default,
        type=kind,
        help=text,
        callback=_keep,
        expose_value=False,
        show_default=default is not None,
    )


_SHARE, _SECONDS = click.FloatRange(0, 1), click.FloatRange(min=0)
_OPTIONS = (
    _option("--rate", 12.0, click.FloatRange(min=0, min_open=True), "Pieces per second over all stations."),
    _option("--line", None, click.STRING, "Line to publish on. Default: the first of the configuration."),
    _option("--recipe", None, click.STRING, "Recipe to publish for, if several fit."),
    _option(
        "--stations",
        1,
        click.IntRange(1, 256),
        "Minimum number of stations. More are used if the windows of two pieces would overlap.",
    ),
    _option("--chunk-s", 0.1, click.FloatRange(0.001, 10), "Length of signal chunks, in seconds."),
    _option(
        "--pass-number", 0, click.IntRange(0), "Number of this pass: a higher one publishes the same pieces again."
    ),
    _option("--jitter", 0.0, _SECONDS, "Seconds that a record is late at most, at random."),
    _option("--skew", 0.0, click.FLOAT, "Seconds that the sensors' clocks are ahead of the cameras'."),
    _option("--drop", 0.0, _SHARE, "Share of frames, chunks and traces that are lost."),
    _option("--duplicate", 0.0, _SHARE, "Share of records that are sent twice."),
    _option("--reorder", 0.0, _SHARE, "Share of records that are sent after their successors."),
    _option("--seed", 0, click.IntRange(0), "Equal seeds give equal lines and equal faults."),
    _option("--truth", None, click.Path(path_type=Path), "Write the label and defects of every piece to this file."),
    _option("--token-file", None, TOKEN_PATH, TOKEN_HELP),
)


def publish_options(command: Command) -> Command:
    """Adds the shared options; `given_options` returns them inside the command."""
    command = click.option(
        "--silent",
        multiple=True,
        metavar="[STATION/]SENSOR:FROM_S:TO_S",
        help="A sensor that sends nothing for a while. mic:20:23 sends nothing from second 20 to 23; repeatable.",
        callback=_keep,
        expose_value=False,
    )(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_options() -> PublishOptions:
    return PublishOptions.model_validate(click.get_current_context().meta[_KEY])


def publish(
    source: PieceSource, config: Path, options: PublishOptions, survey: Callable[[], Sequence[str]] = tuple
) -> None:
    """Publishes all pieces to the log of a configuration, with a progress bar, and prints a summary.

    `survey` gives warnings about the pieces' files before the first record, or raises ManifestError.
    """
    service, request = load_service(config), options.request
    principal_for(service, "line.publish", options.token_file)
    clock = Clock()
    run = prepare(source, service, request, clock.now_ns())
    for warning in survey():
        click.echo(f"warning: {warning}", err=True)
    stations = run.plan.num_stations
    if stations > request.stations:
        click.echo(f"windows would overlap at {request.rate_hz:g} pieces/s: pieces are spread over {stations} stations")
    with closing(open_log_briefly(config, service.config)) as log, closing(log.publisher()) as publisher:
        done = _with_progress(run, publisher, clock)
    listed = ", ".join(f"{count} {name.removeprefix(TYPE_PREFIX)}" for name, count in sorted(done.by_type.items()))
    click.echo(f"published {len(source)} pieces on {run.settings.topics.line}, {stations} station(s): {listed}")
    if done.behind_s > 0.5:
        click.echo(
            f"warning: up to {done.behind_s:.1f} s behind: this machine or the log cannot keep the rate", err=True
        )


def _with_progress(run: Run, publisher: Publisher, clock: Clock) -> Published:
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("pieces", total=len(run.source))

        def advance(output: Output) -> None:
            if output.type == f"{TYPE_PREFIX}PieceEvent":
                progress.advance(task)

        return run.publish(publisher, clock, advance)
