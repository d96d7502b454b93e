"""Parts of the tests of pieces and charts: an app on a filled archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette

from inspector.access.roles import Role
from inspector.access.settings import AccessSettings
from inspector.archive.chart_figures import ChartFigures
from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.recordings.folder_store import FolderStore
from inspector.web.access import page_access
from inspector.web.app import create_app
from inspector.web.feedback import FeedbackDesk
from inspector.web.kept_recordings import KeptRecordings
from inspector.web.settings import WebSettings
from streams.embedded import EmbeddedLog, EmbeddedSettings
from tests.inspector.web.filled_archive import FilledArchive, Names
from tests.inspector.web.parts import OnePiece, floor_with

HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE verdicts; --",
    "../../etc/passwd",
    "..",
    ".",
    "a/b?c=d&e#f%g",
    "\u202emalo\u202c",
    "{{ 7 * 7 }}${7*7}",
    "𐍈𠜎é̀" * 8,
    " spaced  name ",
    "x" * 128,
)
"""Names that the wire allows for pieces, lots and products."""


@dataclass
class Pages:
    app: Starlette
    archive: FilledArchive
    log: EmbeddedLog
    store: FolderStore


@contextmanager
def open_pages(folder: Path, names: Names | None = None, role: Role | None = None) -> Iterator[Pages]:
    """`role` is what everybody is who opens a page; without it everybody is the local engineer."""
    log = EmbeddedLog(folder / "log.sqlite", EmbeddedSettings())
    database = Database(f"sqlite:///{folder / 'archive.sqlite'}")
    filled = FilledArchive(database, names)
    desk = FeedbackDesk(log, "inspection", ("line-1",))
    archive, store = Archive(database), FolderStore(folder / "recordings", 0)
    floor = replace(
        floor_with(WebSettings(), log),
        archive=archive,
        chart_figures=ChartFigures(database),
        recordings=KeptRecordings(archive, store, OnePiece()),
        feedback=desk,
    )
    if role is not None:
        settings = AccessSettings(allow_anonymous=True, anonymous_role=role)
        floor = replace(floor, access=replace(page_access(settings, "127.0.0.1:0"), hosts=None))
    try:
        yield Pages(create_app(floor), filled, log, store)
    finally:
        desk.close()
        database.close()
        log.close()
