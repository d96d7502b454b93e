"""The alerts' part of the floor: its conditions other than verdicts, and its end with the floor."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from prometheus_client import CollectorRegistry

from inspector.alerts.desk import Finding
from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.recipe.problems import ConfigError
from inspector.rollout.control.records import worker_output
from inspector.service.floor_alerts import alerts_part
from inspector.service.refused_workers import RefusedWorkers
from protos.inspection.v1.control_pb2 import WorkerPhase, WorkerState
from streams.log import Log
from streams.records import Topics
from tests.inspector.alerts.delivering import eventually
from tests.texts import DEMO_RECIPE, service_text

DEPLOY = Path(__file__).parents[3] / "deploy"
CONFIG = service_text(DEMO_RECIPE)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    path = tmp_path / "service.toml"
    path.write_text(CONFIG)
    return load_service(path)


@pytest.fixture
def log(service: Service) -> Iterator[Log]:
    with closing(open_log(service.path, service.config)) as opened:
        yield opened


def report(log: Log, phase: WorkerPhase, detail: str = "") -> None:
    state = WorkerState(worker="worker-1", recipe="demo", phase=phase, detail=detail)
    publisher = log.publisher()
    publisher.publish([worker_output(Topics("inspection", "line-1"), state)])
    publisher.flush()
    publisher.close()


def findings(probe: RefusedWorkers) -> Callable[[], list[Finding]]:
    return lambda: list(probe.find() or ())


def test_a_worker_that_refuses_is_found_until_it_does_no_more(service: Service, log: Log) -> None:
    stop = Event()
    probe = RefusedWorkers(service, log, stop)
    assert probe.find() is None, "before the topics are read it cannot tell"
    report(log, WorkerPhase.WORKER_PHASE_REFUSED, "int8 differs on 3 pieces")
    thread = Thread(target=probe.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: bool(findings(probe)()))
        (finding,) = findings(probe)()
        assert finding.place.words == "line-1 worker-1 demo"
        assert finding.detail == "int8 differs on 3 pieces"
        report(log, WorkerPhase.WORKER_PHASE_LIVE)
        eventually(lambda: probe.find() == [])
    finally:
        stop.set()
        thread.join(20.0)


def test_it_starts_and_ends_with_the_floor(service: Service) -> None:
    stop = Event()
    with alerts_part(service, registry := CollectorRegistry(), stop):
        eventually(lambda: registry.get_sample_value("inspector_alerts_open", {"level": "act_now"}) == 0)
        assert not stop.is_set()


def test_without_an_archive_there_are_no_alerts(service: Service) -> None:
    service.path.write_text(CONFIG + "[archive]\nenabled = false\n")
    registry = CollectorRegistry()
    with alerts_part(load_service(service.path), registry, Event()):
        assert registry.get_sample_value("inspector_alert_charts") is None


def test_a_target_whose_package_is_missing_says_how_to_install_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.path.write_text(CONFIG + '[[alerts.mqtt]]\nname = "broker"\n')
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    monkeypatch.delitem(sys.modules, "inspector.alerts.mqtt", raising=False)
    part = alerts_part(load_service(service.path), CollectorRegistry(), Event())
    with pytest.raises(ConfigError, match=r"pip install '.\[mqtt\]'"), part:
        pass
