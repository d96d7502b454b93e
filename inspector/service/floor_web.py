"""The live page as a part of the floor."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.access.audit.open import open_audit
from inspector.alerts.desk import AlertDesk
from inspector.archive.chart_figures import ChartFigures
from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.limited import LimitedDatabase
from inspector.archive.opening import open_database
from inspector.archive.recordings.inputs import InputReader
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.gateway.certificates import tls_context
from inspector.service.floor_pieces import piece_parts
from inspector.service.floor_review import review_pieces
from inspector.service.floor_thread import Work, working
from inspector.web.access import page_access
from inspector.web.alert_news import AlertNews
from inspector.web.app import create_app
from inspector.web.hub import Hub
from inspector.web.log_recordings import LogRecordings
from inspector.web.media import Media
from inspector.web.metrics import WebMetrics
from inspector.web.server import WebServer, listening_socket
from inspector.web.settings import ADDRESS_WORDS
from inspector.web.state import Floor
from inspector.web.stream_places import StreamPlaces
from streams.decode.limits import Limits
from streams.log import Log

log = logging.getLogger("inspector.web")


@contextmanager
def serve_page(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Serves the page from entry to exit. Raises AccessSetupError, AuditError, CertificateError,
    LogError, WebError."""
    if not service.config.web.enabled:
        yield
        return
    with open_page(service, registry, stop) as server:
        log.info("%s%s", ADDRESS_WORDS, server.address)
        yield


@contextmanager
def open_page(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[WebServer]:
    """The server of the page, answering. Raises as `serve_page`."""
    table, settings = service.config.web, service.config.web.settings
    tls = None if table.tls is None else tls_context(table.tls.files)
    has_archive = service.config.archive.enabled
    with (
        closing(listening_socket(settings.listen, or_free="listen" not in table.model_fields_set)) as listening,
        open_audit(service.access.audit) as audit,
        closing(open_log(service.path, service.config, stop)) as source,
        closing(open_database(service.path, service.config.archive.settings, LimitedDatabase)) as database,
        closing(Media(_recordings(service, source), settings, metrics := WebMetrics(registry))) as media,
        piece_parts(service, source, archive := Archive(database), metrics) as parts,
    ):
        floor = Floor(
            settings=settings,
            prefix=service.config.prefix,
            lines=tuple(service.config.lines),
            recipes=service.recipes,
            log=source,
            hub=Hub(settings, metrics, stop),
            metrics=metrics,
            media=media,
            places=StreamPlaces(settings, metrics),
            archive=archive if has_archive else None,
            chart_figures=ChartFigures(database) if has_archive else None,
            kept_media=parts.kept_media,
            recordings=parts.recordings,
            feedback=parts.feedback,
            review=review_pieces(service, database),
            alerts=(desk := _alert_desk(service, database)),
            registry=registry,
            access=page_access(service.access, settings.listen, settings.names),
            audit=audit,
        )
        server = WebServer(create_app(floor, is_tls=tls is not None), listening, settings, tls)
        works: dict[str, Work] = {} if desk is None else {"web-alerts": AlertNews(desk, floor.hub).run}
        with server.running(floor.hub, source, stop), working(works, stop):
            yield server


def _alert_desk(service: Service, database: Database) -> AlertDesk | None:
    """None where no alerts are raised."""
    config = service.config
    return AlertDesk(database, config.alert_settings) if config.archive.enabled and config.alerts.enabled else None


def _recordings(service: Service, source: Log) -> LogRecordings:
    """With the limits of the worker, so that the page can read the same records."""
    config = service.config
    limits = Limits(max_record_bytes=config.max_record_bytes)
    references = config.references.settings
    return LogRecordings(lambda: InputReader(source.reader(), config.prefix, limits, references))
