"""The recordings' part of the floor: keeps what pieces were judged on, in a thread of its own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.archive.find import Archive
from inspector.archive.migrate import upgrade
from inspector.archive.opening import open_database
from inspector.archive.recordings.database import RecordingRows
from inspector.archive.recordings.inputs import InputReader, ReadLimits
from inspector.archive.recordings.keeper import Keeper
from inspector.archive.recordings.keeping import Keeping
from inspector.archive.recordings.metrics import RecordingMetrics
from inspector.archive.recordings.objects import ObjectStore, ObjectStoreError
from inspector.archive.recordings.retention import Retention
from inspector.archive.recordings.shared_inputs import SharedInputs
from inspector.archive.recordings.store import open_store
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.recipe.keep import Keep
from inspector.recipe.problems import ConfigError, Problem
from inspector.service.floor_thread import working
from streams.decode.limits import Limits
from streams.log import Log


@contextmanager
def recordings_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Keeps recordings until its end. Raises ConfigError, LogError; what ended the thread is raised at the end, after
    `stop` was set."""
    config = service.config
    if not config.archive.enabled or not config.recordings.enabled:
        yield
        return
    settings = config.recordings.settings
    store, keeps, metrics = store_of(service), keeps_of(service), RecordingMetrics(registry)
    with (
        closing(open_database(service.path, config.archive.settings)) as database,
        closing(open_log(service.path, config, stop)) as source,
        closing(inputs_of(service, source)) as inputs,
        closing(Keeper(RecordingRows(database), Archive(database), inputs, store, keeps, metrics)) as keeper,
    ):
        retention = Retention(database, store, keeps, metrics)
        keeping = Keeping(keeper, retention, metrics, settings.sweep_every_s, prepare=lambda: upgrade(database))
        with working({"recordings": keeping.run}, stop):
            yield


def store_of(service: Service) -> ObjectStore:
    """Raises ConfigError where the package for its address is missing."""
    settings = service.config.recordings.settings
    try:
        return open_store(settings, service.path.parent)
    except ObjectStoreError as error:
        remedy = "install it, or use a folder"
        raise ConfigError([Problem(service.path, "recordings.store", settings.store, str(error), remedy)]) from error


def inputs_of(service: Service, source: Log) -> SharedInputs:
    """Reads from the log what verdicts were judged on, for any thread."""
    config = service.config
    settings = config.recordings.settings
    bounds = ReadLimits(max_record_bytes=settings.max_piece_bytes, timeout_s=settings.timeout_s)
    limits, references = Limits(max_record_bytes=config.max_record_bytes), config.references.settings
    return SharedInputs(lambda: InputReader(source.reader(), config.prefix, limits, references, bounds))


def keeps_of(service: Service) -> dict[str, Keep]:
    """By name of the recipe."""
    return {recipe.name: recipe.keep for recipe in service.recipes}
