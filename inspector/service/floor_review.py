"""The review desk's part of the floor: fills the queue, publishes answers, and gives the page its desk."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.migrate import upgrade
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
from inspector.service.floor_thread import working
from inspector.web.review_pieces import ReviewPieces

log = logging.getLogger("inspector.service.review")


@contextmanager
def review_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Fills the queue and publishes answers until its end. Raises ConfigError, LogError; DatabaseError at the end."""
    if not has_desk(service):
        yield
        return
    config = service.config
    with (
        closing(open_database(service.path, config.archive.settings)) as database,
        closing(open_log(service.path, config, stop)) as source,
    ):
        outbox = Outbox(database)
        metrics = ReviewMetrics(registry)
        filling = Filling(database, config.review.settings, outbox, metrics)
        publisher = FeedbackPublisher(source, config.prefix, outbox, prepare=lambda: upgrade(database))
        with working({"review-queue": filling.run, "review-outbox": publisher.run}, stop):
            yield


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
