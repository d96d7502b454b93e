"""A service on an embedded log with toy bundles to deploy, and a worker's follower that tests drive step by step."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.judging.active_models import DeploymentTarget, Slot
from inspector.rollout.boot import boot_worker
from inspector.rollout.check_process import CheckRequest, CheckResult
from inspector.rollout.control.commands import Change, DeploymentCommands, DeployRequest, recipe_of
from inspector.rollout.control.records import ControlTable, read_control, targets_of, worker_output
from inspector.rollout.follower import Follower
from inspector.rollout.installer import Installer
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.run_check import RefusedError, StillWanted
from inspector.rollout.shadow import Comparison
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.control_pb2 import WorkerState
from streams.records import Topics
from tests.bundles import Toy, edit_manifest, write_toy_bundle
from tests.texts import recipe_text, service_text

CONFIG = service_text("cup.toml", line="l1")
RECIPE = recipe_text("own")
CUP = DeploymentTarget("l1", "cup")


class StandInGate:
    """Replaces the check process: refuses the versions in `refuses`, and records the versions that it checked."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.checked_versions: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def checked(self, request: CheckRequest, is_wanted: StillWanted) -> CheckResult:
        folder = request.folder
        version = folder.name.split("-")[1] if "-" in folder.name else folder.name
        self.checked_versions.append(version)
        self.meanwhile()
        if version in self.refuses:
            raise RefusedError(f"version {version} decides otherwise")
        return CheckResult(outcome="passed", engine="onnx/fp32", message="fits")


class Rig:
    """A line whose deployments are written and followed step by step."""

    def __init__(self, folder: Path, gate: StandInGate) -> None:
        self.folder, self.gate, self.registry = folder, gate, CollectorRegistry()
        (folder / "service.toml").write_text(CONFIG)
        (folder / "cup.toml").write_text(RECIPE)
        write_toy_bundle(folder / "own", Toy(name="own"))
        self.service: Service = load_service(folder / "service.toml")
        self.log = open_log(self.service.path, self.service.config)
        self.table = ControlTable("inspection", ("l1",))

    def bundle(self, version: str) -> Path:
        folder = self.folder / f"made-{version}"
        if not folder.exists():
            edit_manifest(write_toy_bundle(folder), {"version": version})
        return folder

    def commands(self) -> DeploymentCommands:
        read_control(self.log, self.table).close()
        return DeploymentCommands(self.service, recipe_of(self.service, None), self.table, self.log)

    def racing_commands(self) -> DeploymentCommands:
        """Commands of another person, who has read the records of now."""
        read_control(self.log, table := ControlTable("inspection", ("l1",))).close()
        return DeploymentCommands(self.service, recipe_of(self.service, None), table, self.log)

    def deploy(self, version: str, request: DeployRequest | None = None) -> list[Change]:
        return self.commands().deploy(self.bundle(version), request or DeployRequest())

    def installer(self, stop: Event | None = None) -> Installer:
        """As any process of the service makes it: nothing is open yet."""
        self.registry = CollectorRegistry()
        metrics = DeployMetrics(self.registry, targets_of(self.service))
        reports = Reports(self.log, "inspection", "worker-1", Comparison(metrics))
        return Installer(self.service, self.log, reports, metrics, stop or Event())

    def worker(self, stop: Event | None = None) -> "Worker":
        """As a worker's start makes it."""
        installer = self.installer(stop)
        boot_worker(installer)
        return Worker(installer, Follower(installer))

    def refused(self) -> float:
        labels = {"line": "l1", "recipe": "cup"}
        return self.registry.get_sample_value("inspector_deploy_refused_total", labels) or 0.0


@dataclass(frozen=True)
class Worker:
    installer: Installer
    follower: Follower

    def look(self) -> Slot:
        """One look at the control topic; what judges then."""
        self.follower.look()
        return self.slot

    @property
    def slot(self) -> Slot:
        return self.installer.active_models.slots[CUP]


def report(rig: Rig, state: WorkerState) -> None:
    """Publishes a report as a worker does."""
    with closing(rig.log.publisher()) as publisher:
        publisher.publish([worker_output(Topics("inspection", "l1"), state)])


def version_of(slot: Slot) -> tuple[int, str]:
    return slot.live.number, slot.live.model.schema.version


@contextmanager
def running(rig: Rig) -> Iterator[Worker]:
    worker = rig.worker()
    try:
        yield worker
    finally:
        worker.installer.close(has_failed=False)


def last_report(rig: Rig) -> WorkerState:
    rig.commands()
    return rig.table.statuses(CUP)["worker-1"].state
