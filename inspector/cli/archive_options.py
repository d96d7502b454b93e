"""Options that the commands of `inspector archive` share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from inspector.archive.database import Database, DatabaseError
from inspector.archive.migrate import upgrade
from inspector.archive.opening import open_database
from inspector.archive.rows import PieceFilter
from inspector.config.service import ServiceConfig, load_service_config
from inspector.verdicts.follow import StoreError
from protos.inspection.v1.verdict_pb2 import Decision

ARCHIVE_ERRORS = (DatabaseError, StoreError)
DECISIONS = {"pass": Decision.DECISION_PASS, "fail": Decision.DECISION_FAIL, "review": Decision.DECISION_REVIEW}
Command = TypeVar("Command", bound=Callable[..., None])


def _time(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Nanoseconds since the Unix epoch of an ISO 8601 time; without a zone it is local time."""
    if value is None:
        return None
    try:
        return int(datetime.fromisoformat(value).timestamp() * 1_000_000) * 1000
    except ValueError as exc:
        raise click.BadParameter(f"{value!r} is no ISO 8601 time such as 2026-11-30T06:00") from exc


since_option = click.option("--since", "since_ns", callback=_time, help="From this ISO 8601 time of entry on.")
until_option = click.option("--until", "until_ns", callback=_time, help="Before this ISO 8601 time of entry.")
line_option = click.option("--line", help="Only this line.")
station_option = click.option("--station", help="Only this station.")
product_option = click.option("--product", help="Only this product.")


def filter_options(command: Command) -> Command:
    """Those of `PieceFilter`."""
    options = (
        line_option,
        station_option,
        product_option,
        click.option("--lot", help="Only this production lot."),
        click.option("--piece", "piece_id", help="Only this piece."),
        click.option("--decision", "decisions", multiple=True, type=click.Choice(tuple(DECISIONS)),
                     help="Only this decision; repeatable."),
        click.option("--class", "defect_class", help="Only this defect class, of pieces that did not pass."),
        click.option("--min-score", type=float, help="Only scores from this one on."),
        click.option("--max-score", type=float, help="Only scores up to this one."),
        since_option,
        until_option,
        click.option("--bundle", "bundle_digest", help="Only this bundle, by the first 12 digits of its digest."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def piece_filter(decisions: Sequence[str], values: Mapping[str, object]) -> PieceFilter:
    """From the values of `filter_options`."""
    return PieceFilter(decisions=[DECISIONS[word] for word in decisions], **values)  # type: ignore[arg-type]  # click's


@contextmanager
def archive_of(path: Path) -> Iterator[tuple[ServiceConfig, Database]]:
    """The archive of a configuration, with its tables. Raises ConfigError, DatabaseError, StoreError."""
    config = load_service_config(path)
    with closing(open_database(path, config.archive.settings)) as database:
        upgrade(database)
        yield config, database
