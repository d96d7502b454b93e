"""Opens the object store that the settings name."""

from pathlib import Path

from inspector.archive.recordings.folder_store import FolderStore
from inspector.archive.recordings.objects import ObjectStore
from inspector.archive.recordings.remote_store import RemoteStore
from inspector.archive.recordings.settings import RecordingSettings
from streams.references.addresses import scheme_of


def open_store(settings: RecordingSettings, folder: Path) -> ObjectStore:
    """`folder` is that of the configuration file. Raises ObjectStoreError where a package is missing."""
    if "://" not in settings.store or scheme_of(settings.store) == "file":
        return FolderStore(folder / settings.store.removeprefix("file://"), settings.min_free_bytes)
    return RemoteStore(settings.store, settings.timeout_s)
