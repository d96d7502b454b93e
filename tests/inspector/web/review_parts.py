"""A review desk with pieces behind the pages, in this process."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient

from inspector.archive.recordings.folder_store import FolderStore
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.review.findings import parse_finding
from inspector.review.known import KnownPieces
from inspector.review.settings import ReviewSettings
from inspector.web.app import create_app
from inspector.web.review_pieces import ReviewPieces
from inspector.web.server import WebServer, listening_socket
from inspector.web.settings import WebSettings
from inspector.web.state import Floor as PageFloor
from streams.embedded import EmbeddedLog, EmbeddedSettings
from tests.inspector.review.desk_parts import Floor, floor
from tests.inspector.web.parts import floor_with

SETTINGS = ReviewSettings(second_share=0.0, known_share=0.5, known_rest_s=1.0, second_after_unsure=False)


@dataclass
class ReviewPages:
    """The app and its parts."""

    app: Starlette
    page: PageFloor
    desk: Floor
    log: EmbeddedLog
    address: str = ""


@contextmanager
def review_pages(
    folder: Path, num_pieces: int, num_known: int = 0, settings: ReviewSettings = SETTINGS
) -> Iterator[ReviewPages]:
    """Known pieces come first in the archive; each second piece that is given out is one, as long as there are some."""
    with floor(f"sqlite:///{folder / 'archive.sqlite'}", settings) as filled:
        known = [f"known-{number}" for number in range(num_known)]
        filled.add([*known, *(f"p{number}" for number in range(num_pieces))])
        for name in known:
            KnownPieces(filled.database).add(filled.row(name), parse_finding("nok", ("dent",)), "quinn", filled.clock())
        filled.queue()
        filled.draws = (0.0 if number % 2 else 0.9 for number in range(10**6))
        with desk_pages(folder, filled) as pages:
            yield pages


@contextmanager
def desk_pages(folder: Path, desk: Floor) -> Iterator[ReviewPages]:
    """The app over a filled desk, with its recordings in a folder."""
    store = FolderStore(folder / "recordings")
    for content in desk.files.values():
        store.put(content)
    pieces = ReviewPieces(desk.desk, desk.archive, KeptInputs(desk.archive, store))
    log = EmbeddedLog(folder / "log.sqlite", EmbeddedSettings())
    page = replace(floor_with(WebSettings(), log), archive=desk.archive, review=pieces)
    with closing(log):
        yield ReviewPages(create_app(page), page, desk, log)


@contextmanager
def served(pages: ReviewPages) -> Iterator[ReviewPages]:
    """The pages on a free port of loopback."""
    with ExitStack() as stack:
        server = WebServer(pages.app, listening_socket("127.0.0.1:0"), pages.page.settings)
        stack.enter_context(server.running(pages.page.hub, pages.log))
        yield replace(pages, address=server.address)


def held(client: TestClient) -> list[dict]:
    """The cards of the pieces that the reviewer holds."""
    return client.post("/review/hold").json()["pieces"]


def answer(client: TestClient, token: str, label: str = "ok", defects: list[str] | None = None) -> dict:
    """What the page gets for its answer."""
    return client.post("/review/answer", json={"token": token, "label": label, "defects": defects or []}).json()
