"""The floor's parts start, fail and start again on their own."""

import logging
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.exc import IntegrityError

from inspector.config.service import Service, load_service_config
from inspector.recipe.problems import ConfigError, Problem
from inspector.recipe.recipes import Recipes
from inspector.service import restarts
from inspector.service.floor import PARTS, run_floor
from inspector.service.floor_thread import working
from inspector.service.part_runner import NamedPart
from inspector.web.server import WebError
from tests.servers.process import free_port
from tests.texts import service_text
from tests.waiting import until

CONFIG = service_text("*.recipe", line="a")


@pytest.fixture
def service(tmp_path: Path) -> Service:
    path = tmp_path / "service.toml"
    path.write_text(CONFIG)
    return Service(path, load_service_config(path), Recipes({}))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "FIRST_DELAY_S", 0.01)


def part(name: str, work: Callable[[Event], None]) -> NamedPart:
    @contextmanager
    def run(_: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
        Counter(f"{name}_starts", "A metric of the part.", registry=registry)
        with working({name: work}, stop):
            yield

    return NamedPart(name, run, lambda _: True)


@contextmanager
def running(service: Service, *parts: NamedPart) -> Iterator[CollectorRegistry]:
    registry, stop = CollectorRegistry(), Event()
    thread = threading.Thread(target=run_floor, args=(service, registry, stop, parts), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def is_up(registry: CollectorRegistry, name: str) -> bool:
    return registry.get_sample_value("inspector_floor_part_up", {"part": name}) == 1


class Failing:
    """Fails as often as it is told, then works."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.left, self.starts = error, times, 0

    def __call__(self, stop: Event) -> None:
        self.starts += 1
        if self.left:
            self.left -= 1
            raise self.error
        stop.wait()


def waits(stop: Event) -> None:
    stop.wait()


def test_a_part_that_fails_is_started_again_and_the_others_go_on(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    failing, steady = Failing(WebError("port 8080 is taken: choose another"), 2), Failing(ValueError(), 0)
    with caplog.at_level(logging.ERROR), running(service, part("page", failing), part("archive", steady)) as registry:
        until(lambda: failing.starts == 3 and is_up(registry, "page") and is_up(registry, "archive"))
    assert steady.starts == 1
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("The page of the floor failed: port 8080 is taken: choose another. It starts")


def test_while_a_part_waits_to_start_again_its_gauge_is_zero(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "FIRST_DELAY_S", 600.0)
    failing = Failing(WebError("taken"), 1)
    with running(service, part("page", failing), part("archive", waits)) as registry:
        until(lambda: failing.starts == 1 and is_up(registry, "archive") and not is_up(registry, "page"))


def test_an_unexpected_error_is_told_without_the_values_of_its_statement(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    error = IntegrityError("INSERT INTO verdicts", {"piece_id": "secret-4711"}, ValueError("secret-4711"))
    failing = Failing(error, 1)
    with caplog.at_level(logging.ERROR), running(service, part("archive", failing)):
        until(lambda: failing.starts == 2)
    assert "IntegrityError, an error of this program" in caplog.text
    assert "secret-4711" not in caplog.text


def test_a_part_that_ends_by_itself_is_started_again(service: Service) -> None:
    starts = []
    with running(service, part("page", lambda _: starts.append(1))):
        until(lambda: len(starts) > 1)


def test_an_error_of_the_configuration_ends_the_floor(service: Service) -> None:
    problem = ConfigError([Problem(service.path, "alerts", "broker", "needs a package", "install it")])
    parts = (part("alerts", Failing(problem, 1)), part("archive", waits))
    with pytest.raises(ConfigError, match="needs a package"):
        run_floor(service, CollectorRegistry(), Event(), parts)


def read(address: str) -> str:
    """ "" while nobody answers there."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


def test_the_metrics_of_a_running_floor_are_at_its_page_and_at_an_address_of_their_own(service: Service) -> None:
    metrics, page = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with service.path.open("a") as file:
        file.write(f'[web]\nlisten = "{page}"\n[floor.metrics]\nlisten = "{metrics}"\n')
    configured = Service(service.path, load_service_config(service.path), Recipes({}))
    sample = "inspector_archive_failing 0.0"
    with running(configured, *PARTS):
        for address in (metrics, page):
            until(lambda address=address: sample in read(address), 60)  # type: ignore[misc]
        assert 'inspector_floor_part_up{part="page"} 1.0' in read(metrics)


def test_a_page_whose_port_is_taken_delays_no_archive(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        with service.path.open("a") as file:
            file.write(f'[web]\nlisten = "127.0.0.1:{occupied.getsockname()[1]}"\n')
        configured = Service(service.path, load_service_config(service.path), Recipes({}))
        with running(configured, *PARTS) as registry:
            until(lambda: is_up(registry, "archive"), 60)
            assert not is_up(registry, "page")
            occupied.close()
            until(lambda: is_up(registry, "page"), 60)
