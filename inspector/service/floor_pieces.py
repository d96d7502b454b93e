"""Parts for the pages of stored pieces: recordings, and the writer of the feedback topic."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from inspector.archive.find import Archive
from inspector.archive.recordings.store import open_store
from inspector.config.service import Service
from inspector.service.floor_recordings import inputs_of
from inspector.web.feedback import FeedbackDesk
from inspector.web.kept_recordings import KeptRecordings
from inspector.web.media import Media
from inspector.web.metrics import WebMetrics
from streams.log import Log


class PieceParts(NamedTuple):
    """Named as the fields of `Floor`."""

    kept_media: Media
    recordings: KeptRecordings
    feedback: FeedbackDesk


@contextmanager
def piece_parts(service: Service, source: Log, archive: Archive, metrics: WebMetrics) -> Iterator[PieceParts]:
    """Raises ObjectStoreError where the object store needs a package that is missing."""
    config = service.config
    keeps = config.recordings.enabled
    store = open_store(config.recordings.settings, service.path.parent) if keeps else None
    with (
        closing(inputs_of(service, source)) as logged,
        closing(FeedbackDesk(source, config.prefix, config.lines, config.gateway.feedback_per_s)) as feedback,
    ):
        recordings = KeptRecordings(archive, store, logged)
        with closing(Media(recordings, config.web.settings, metrics)) as media:
            yield PieceParts(media, recordings, feedback)
