"""The review desk's part of the floor: fills the queue, publishes answers, and gives the page its desk."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Event, Thread

from prometheus_client import CollectorRegistry

from inspector.archive.database import Database, DatabaseError
from inspector.archive.find import Archive
from inspector.archive.opening import open_database
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.archive.recordings.objects import ObjectStoreError
from inspector.archive.recordings.store import open_store
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.review.desk import Desk
from inspector.review.filling import Filling
from inspector.review.metrics import ReviewMetrics
from inspector.review.outbox import FeedbackPublisher, Outbox
from inspector.web.review_pieces import ReviewPieces

log = logging.getLogger("inspector.service.review")

END_S = 5.0


@contextmanager
def review_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Fills the queue and publishes answers until its end. Raises ConfigError, LogError."""
    if not has_desk(service):
        yield
        return
    config, ended = service.config, Event()
    with (
        closing(open_database(service.path, config.archive.settings)) as database,
        closing(open_log(service.path, config, ended)) as source,
    ):
        outbox = Outbox(database)
        metrics = ReviewMetrics(registry)
        filling = Filling(database, config.review.settings, outbox, metrics)
        publisher = FeedbackPublisher(source, config.prefix, outbox)
        threads = [
            _Work("review-queue", filling.run, ended, stop),
            _Work("review-outbox", publisher.run, ended, stop),
        ]
        try:
            for thread in threads:
                thread.start()
            yield
        finally:
            ended.set()
            _join(threads)


def has_desk(service: Service) -> bool:
    """People need verdicts and recordings to look at."""
    config = service.config
    return config.review.enabled and config.archive.enabled and config.recordings.enabled


def review_pieces(service: Service, database: Database) -> ReviewPieces | None:
    """The desk for the page; None where there is none."""
    if not has_desk(service):
        return None
    try:
        store = open_store(service.config.recordings.settings, service.path.parent)
    except ObjectStoreError as error:
        log.warning("The review desk is closed: %s", error)
        return None
    archive = Archive(database)
    return ReviewPieces(Desk(database, service.config.review.settings), archive, KeptInputs(archive, store))


class _Work(Thread):
    """One of the desk's threads. A database that cannot be used stops the floor."""

    def __init__(self, name: str, work: Callable[[Event], None], ended: Event, stop: Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work, self._ended, self._stop_floor = work, ended, stop

    def run(self) -> None:
        try:
            self._work(self._ended)
        except DatabaseError as error:
            log.error("The review desk has ended: %s", error)  # noqa: TRY400
            self._stop_floor.set()


def _join(threads: Sequence[Thread]) -> None:
    for thread in threads:
        thread.join(END_S)
