"""A service that cannot start says why in one line."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

from inspector.cli import serving
from inspector.config.service import Service, load_service
from inspector.rollout.control.records import targets_of
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.run_check import PreparationCancelledError
from inspector.service.assembly import Deployed
from tests.bundles import write_toy_bundle
from tests.inspector.rollout.toys import RECIPE
from tests.texts import service_text
from tests.waiting import until

TABLES = """
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{port}"
"""


@pytest.mark.parametrize(
    ("has_bundle", "message"), [(False, "bundle.json: cannot be read"), (True, "cannot listen on 127.0.0.1:")]
)
def test_what_keeps_a_service_from_starting_is_reported(tmp_path: Path, has_bundle: bool, message: str) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    if has_bundle:
        write_toy_bundle(tmp_path / "own")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = tmp_path / "service.toml"
        config.write_text(service_text("recipe.toml", TABLES.format(port=listener.getsockname()[1])))
        command = [sys.executable, "-m", "inspector", "serve", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert any(line.startswith("Error: ") and message in line for line in done.stderr.splitlines())


def test_a_start_that_waits_for_the_log_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The backlog grows meanwhile, and nobody else sees it."""
    write_toy_bundle(tmp_path / "own")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "service.toml").write_text(
        service_text("recipe.toml", TABLES.format(port=free_port()))
        + f'[metrics]\nlisten = "127.0.0.1:{free_port()}"\n[worker]\nname = "w"\nstall_after_s = 0.5\n'
    )
    service = load_service(tmp_path / "service.toml")
    assert service.config.metrics is not None
    address, seen = service.config.metrics.listen, list[bool]()

    @contextmanager
    def waiting(service: Service, stop: Event, registry: CollectorRegistry, *, is_worker: bool) -> Iterator[Deployed]:
        seen.append(is_standing(address))
        until(lambda: is_standing(address))
        raise PreparationCancelledError
        yield

    monkeypatch.setattr(serving, "deployed", waiting)
    serving._run(service, worker=True, gateway=False)
    assert seen == [False]
    assert "The line stands still: the main loop has been starting (opening the log of records" in caplog.text


def test_metrics_are_served_while_bundles_are_still_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal at the start shows as an increase only where a 0 was scraped before."""
    write_toy_bundle(tmp_path / "own")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "service.toml").write_text(
        service_text("recipe.toml", TABLES.format(port=free_port()))
        + f'[metrics]\nlisten = "127.0.0.1:{free_port()}"\n'
    )
    service = load_service(tmp_path / "service.toml")
    assert service.config.metrics is not None
    address, read = service.config.metrics.listen, list[str]()

    @contextmanager
    def opening(service: Service, stop: Event, registry: CollectorRegistry, *, is_worker: bool) -> Iterator[Deployed]:
        DeployMetrics(registry, targets_of(service))
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
            read.append(answer.read().decode())
        raise PreparationCancelledError
        yield

    monkeypatch.setattr(serving, "deployed", opening)
    serving._run(service, worker=True, gateway=True)
    assert 'inspector_deploy_refused_total{line="line-1",recipe="cup"} 0.0' in read[0]


def is_standing(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/health", timeout=60):
            return False
    except urllib.error.HTTPError as answer:
        return answer.code == 503


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
