"""`inspector dead-letters`: the records that could not be used, by reason and station."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from inspector.archive.log_reading import LogReading
from inspector.cli.config_option import config_option
from inspector.cli.credentials import check_may, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_lines, printable
from inspector.config.opening import open_log_briefly
from inspector.config.service import load_service
from inspector.verdicts.feed import Followed
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import DeadLetter, DeadLetterReason
from streams.decode.dead_letters import dead_letter_from
from streams.kafka.client_logs import quiet_client_logs
from streams.log import Log
from streams.records import Record

MAX_ROWS = 1000
"""Kinds that are told apart; more are counted as `others`. Producers choose the names of stations."""
_OTHERS = ("", "others", 0)


@dataclass(slots=True)
class Kind:
    """Dead letters of one line, station and reason."""

    count: int
    last: DeadLetter

    def add(self, letter: DeadLetter) -> None:
        self.count += 1
        if letter.append_ns >= self.last.append_ns:
            self.last = letter


@click.command("dead-letters")
@config_option
@token_file_option
@report_user_errors()
def dead_letters(config: Path, token_file: Path | None) -> None:
    """Shows the records that could not be used and are still in the log: why, how many, and what helps.

    Example: inspector dead-letters --config service.toml
    """
    check_may(config, "dead_letters.see", token_file)
    quiet_client_logs()
    service = load_service(config)
    with closing(open_log_briefly(config, service.config)) as log:
        kinds = counted(_all(log))
    if kinds:
        print_lines("\n".join(map(_words, kinds)))
    else:
        click.echo("no dead letters in the log")


def counted(letters: Iterable[DeadLetter]) -> list[Kind]:
    """The most frequent kinds first."""
    kinds: dict[tuple[str, str, int], Kind] = {}
    for letter in letters:
        key: tuple[str, str, int] = (letter.line, letter.station, letter.reason)
        if key not in kinds and len(kinds) >= MAX_ROWS:
            key = _OTHERS
        kinds.setdefault(key, Kind(0, letter)).add(letter)
    return sorted(kinds.values(), key=lambda kind: kind.count, reverse=True)


def _words(kind: Kind) -> str:
    """How many, why and where; below it what the last one says, which is longer than a table has room for."""
    moment = datetime.fromtimestamp(kind.last.append_ns / 1e9, UTC).astimezone()
    place = printable(f"{kind.last.line}/{kind.last.station or '?'}")
    reason = enum_word(DeadLetterReason, kind.last.reason)
    return f"{kind.count} x {reason}  {place}  last {moment:%d.%m. %H:%M:%S}\n    {printable(kind.last.detail)}"


def _all(log: Log) -> Iterator[DeadLetter]:
    for batch in LogReading(Followed("dead letters", log.dead_letters, _letters)).batches():
        yield from batch.items


def _letters(records: Sequence[Record]) -> list[DeadLetter]:
    return [letter for letter in map(dead_letter_from, records) if letter is not None]
