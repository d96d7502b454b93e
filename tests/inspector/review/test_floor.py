"""The desk as a part of the floor: pieces come in, answers go out, and the archive has each of them once."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.items import LogItem
from inspector.archive.store import ArchiveStore
from inspector.archive.write_others import insert_findings
from inspector.config.service import Service, load_service
from inspector.review.desk import Desk
from inspector.review.findings import feedback, parse_finding
from inspector.review.settings import ReviewSettings
from inspector.service.floor_archive import archive_part
from inspector.service.floor_review import has_desk, review_part, review_pieces
from streams import resume_token
from streams.records import TopicPartition
from tests.inspector.archive.tables import make_tables
from tests.inspector.review.desk_parts import Floor, piece
from tests.texts import DEMO_RECIPE, service_text

ARCHIVE = "[archive]\nmin_free_bytes = 0\n"
REVIEW = """
[review]
second_share = 0.0
known_share = 0.0
publish_after_s = 0.0
"""
WAIT_S = 60.0


def service(folder: Path, more: str = "") -> Service:
    path = folder / "service.toml"
    path.write_text(service_text(DEMO_RECIPE, ARCHIVE + REVIEW + more))
    return load_service(path)


@contextmanager
def desk_of(loaded: Service) -> Iterator[Floor]:
    with closing(Database(f"sqlite:///{loaded.path.parent / 'archive.sqlite'}")) as database:
        make_tables(database)
        yield Floor(database, loaded.config.review.settings)


def until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_an_answer_comes_back_to_the_archive_as_a_finding_of_its_author(tmp_path: Path) -> None:
    loaded, stop = service(tmp_path), Event()
    with desk_of(loaded) as floor:
        floor.add(["a"])
        with archive_part(loaded, CollectorRegistry(), stop), review_part(loaded, CollectorRegistry(), stop):
            desk = Desk(floor.database, loaded.config.review.settings)
            until(lambda: desk.next_piece("ada") is not None)
            held = desk.next_piece("ada")
            assert held is not None
            desk.answer("ada", held.token, parse_finding("nok", ("dent",)))
            archive, key = Archive(floor.database), floor.row("a").key
            until(lambda: len(archive.feedback(key)) == 1)
            assert not stop.is_set()
        (finding,) = archive.feedback(key)
        assert (finding.author, finding.defects) == ("ada", ("dent",))


def test_a_finding_that_was_published_twice_is_stored_once(tmp_path: Path) -> None:
    with desk_of(service(tmp_path)) as floor:
        floor.add(["a"])
        at = TopicPartition("t.line-1.feedback", 0)
        store = ArchiveStore(floor.database, "feedback", insert_findings)
        store.token()
        message = feedback(piece("a"), parse_finding("ok"), "ada", 1, "token.1")
        items = [LogItem(at, offset, 1, "line-1", message) for offset in range(2)]
        store.store(items, resume_token.encode({at: 2}, {at.topic: "1"}))
        assert len(floor.archive.feedback(floor.row("a").key)) == 1


def test_metrics_tell_how_many_pieces_and_answers_wait(tmp_path: Path) -> None:
    loaded, registry = service(tmp_path), CollectorRegistry()
    with desk_of(loaded) as floor:
        floor.add(["a", "b"])
        with review_part(loaded, registry, Event()):
            until(lambda: registry.get_sample_value("inspector_review_waiting") == 10)
            assert registry.get_sample_value("inspector_review_answers_unpublished") == 0


def test_there_is_no_desk_without_recordings(tmp_path: Path) -> None:
    loaded = service(tmp_path, "[recordings]\nenabled = false\n")
    assert not has_desk(loaded)
    with review_part(loaded, CollectorRegistry(), Event()), desk_of(loaded) as floor:
        assert review_pieces(loaded, floor.database) is None


def test_the_configuration_has_the_defaults_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(service_text(DEMO_RECIPE, ARCHIVE))
    assert load_service(path).config.review.settings == ReviewSettings()
