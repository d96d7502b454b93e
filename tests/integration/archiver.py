"""An archiver as a process of its own, that kills itself at a named point where it is told to.

    python -m tests.integration.archiver --log LOG --database URL [--die POINT --after COUNT]

LOG is `embedded:FILE` or `kafka:HOST:PORT:LINE`. Ends at SIGTERM.
"""

import argparse
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import event

from inspector.archive.database import Database
from inspector.archive.followers import archive_followers
from streams.embedded.log import EmbeddedLog
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSettings
from streams.log import Log
from tests.integration.kafka_line import PREFIX

POINTS = ("in statement", "before commit", "after commit")


class Death:
    """Kills this process when its point is reached for the last time that it may live."""

    def __init__(self, point: str, lives: int) -> None:
        self._point, self._lives = point, lives

    def at(self, point: str) -> None:
        if point == self._point:
            self._lives -= 1
            if self._lives < 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Watching:
    """Reaches its point behind each commit."""

    def __init__(self, at: Callable[[str], None]) -> None:
        self._at = at

    def stored(self, follower: str, num_stored: int, newest_append_ns: int | None) -> None:
        if num_stored:
            self._at("after commit")

    def failed(self, follower: str) -> None: ...


def open_log(name: str) -> Log:
    kind, _, place = name.partition(":")
    if kind == "embedded":
        return EmbeddedLog(Path(place))
    bootstrap, _, line = place.rpartition(":")
    return KafkaLog(KafkaSettings(bootstrap_servers=(bootstrap,), group=line), PREFIX, [line])


def archive(log: Log, database: Database, death: Death, stop: threading.Event) -> None:
    @event.listens_for(database.engine, "before_cursor_execute")
    def _statement(*arguments: object) -> None:
        if "INSERT INTO verdict" in str(arguments[2]).replace('"', ""):
            death.at("in statement")

    @event.listens_for(database.engine, "commit")
    def _commit(*_: object) -> None:
        death.at("before commit")

    followers = archive_followers(log, database, Watching(death.at))
    threads = [threading.Thread(target=follower.run, args=(stop,)) for follower in followers]
    for thread in threads:
        thread.start()
    print("following", flush=True)
    for thread in threads:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--die", choices=POINTS, default="")
    parser.add_argument("--after", type=int, default=0)
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with closing(Database(options.database)) as database, closing(open_log(options.log)) as log:
        archive(log, database, Death(options.die, options.after), stop)


if __name__ == "__main__":
    main()
