"""The archive's part of the floor follows the configured log, and ends the floor where the log is gone."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.archive.find import Archive, PieceFilter
from inspector.archive.opening import open_database
from inspector.config.service import Service, load_service_config
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipes import Recipes
from inspector.service.floor_archive import archive_part
from inspector.verdicts import follow as follow_module
from streams.embedded.log import EmbeddedLog
from streams.log import LogLostError
from tests.inspector.archive.parts import make_verdict, publish
from tests.texts import service_text

CONFIG = service_text("*.recipe", line="a")
KEEPS_OLD_VERDICTS = "[archive]\npass_days = 36500\nfail_days = 36500\nreview_days = 36500"
"""Made verdicts are of 2023, and retention begins at once."""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "POLL_S", 0.02)


def service_in(folder: Path, more: str = "[archive]") -> Service:
    path = folder / "service.toml"
    path.write_text(CONFIG + more.replace("[archive]", "[archive]\nmin_free_bytes = 0"))
    return Service(path, load_service_config(path), Recipes({}))


def wait_until_stored(registry: CollectorRegistry, count: int) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if registry.get_sample_value("inspector_archive_stored_total", {"records": "verdicts"}) == count:
            return
        pause.wait(0.02)
    raise AssertionError("they were not stored")


def test_verdicts_are_archived_next_to_the_configuration(tmp_path: Path) -> None:
    service, registry = service_in(tmp_path, KEEPS_OLD_VERDICTS), CollectorRegistry()
    log, before = EmbeddedLog(tmp_path / "log.sqlite"), set(threading.enumerate())
    publish(log, [make_verdict(number) for number in range(10)])
    with archive_part(service, registry, threading.Event()):
        wait_until_stored(registry, 10)
    assert (tmp_path / "archive.sqlite").is_file()
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        assert len(Archive(database).find(PieceFilter())) == 10
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("archive-")]


def test_a_service_may_do_without(tmp_path: Path) -> None:
    with archive_part(service_in(tmp_path, "[archive]\nenabled = false"), CollectorRegistry(), threading.Event()):
        pass
    assert not (tmp_path / "archive.sqlite").exists()


def test_a_log_that_is_gone_stops_the_floor_and_is_its_error(tmp_path: Path) -> None:
    service, registry, stop = service_in(tmp_path), CollectorRegistry(), threading.Event()
    log = EmbeddedLog(tmp_path / "log.sqlite")
    publish(log, [make_verdict(number) for number in range(3)])

    def run() -> None:
        with archive_part(service, registry, stop):
            wait_until_stored(registry, 3)
            (tmp_path / "log.sqlite").rename(tmp_path / "elsewhere")
            assert stop.wait(60)

    with pytest.raises(LogLostError):
        run()


def test_a_password_comes_from_the_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = '[archive]\ndatabase = "postgresql://u@127.0.0.1:1/n"\npassword_env = "ARCHIVE_PASSWORD"'
    service = service_in(tmp_path, table)
    with pytest.raises(ConfigError, match="names a variable that is not set"):
        open_database(service.path, service.config.archive.settings)
    monkeypatch.setenv("ARCHIVE_PASSWORD", "hunter2")
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        assert database.name == "postgresql+psycopg://u:***@127.0.0.1:1/n"
    for value, problem in (
        ("postgresql://u:hunter2@h/n", "has a password in it"),
        ("mysql://h/n", "is no database"),
        ("sqlite://", "is no database"),
    ):
        with pytest.raises(ConfigError, match=problem):
            service_in(tmp_path, f'[archive]\ndatabase = "{value}"')
