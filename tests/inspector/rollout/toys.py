"""A service on an embedded log with toy bundles to deploy, and a follower that is driven by hand."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.judging.active_models import DeploymentTarget, Slot
from inspector.rollout.check_process import CheckRequest, CheckResult
from inspector.rollout.control.commands import Change, DeploymentCommands, DeployRequest, recipe_of
from inspector.rollout.control.records import ControlTable, places_of, read_control, worker_output
from inspector.rollout.follower import Follower
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.run_check import RefusedError, StillWanted
from inspector.rollout.shadow import Comparison
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.control_pb2 import WorkerState
from streams.records import Topics
from tests.bundles import Toy, edit_manifest, write_toy_bundle

CONFIG = """
lines = ["l1"]
recipes = ["cup.toml"]
[log]
kind = "embedded"
path = "log.sqlite"
"""
RECIPE = """
name = "cup"
version = "1"
bundle = "own"
[[cameras]]
name = "top"
[[sensors]]
name = "mic"
kind = "audio"
sample_rate_hz = 100
end_s = 0.16
"""
CUP = DeploymentTarget("l1", "cup")


class StandInGate:
    """In place of the process that checks: refuses the versions that it is told to, and notes what it was asked."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def checked(self, question: CheckRequest, patience: StillWanted) -> CheckResult:
        folder = question.folder
        version = folder.name.split("-")[1] if "-" in folder.name else folder.name
        self.asked.append(version)
        self.meanwhile()
        if version in self.refuses:
            raise RefusedError(f"version {version} decides otherwise")
        return CheckResult(outcome="passed", engine="onnx/fp32", words="fits")


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

    def orders(self) -> DeploymentCommands:
        read_control(self.log, self.table).close()
        return DeploymentCommands(self.service, recipe_of(self.service, None), self.table, self.log)

    def racing_orders(self) -> DeploymentCommands:
        """Somebody else's, who has read what counts now."""
        read_control(self.log, table := ControlTable("inspection", ("l1",))).close()
        return DeploymentCommands(self.service, recipe_of(self.service, None), table, self.log)

    def deploy(self, version: str, wish: DeployRequest | None = None) -> list[Change]:
        return self.orders().deploy(self.bundle(version), wish or DeployRequest())

    def follower(self, stop: Event | None = None) -> Follower:
        """As a worker's start makes it."""
        self.registry = CollectorRegistry()
        metrics = DeployMetrics(self.registry, places_of(self.service))
        reports = Reports(self.log, "inspection", "worker-1", Comparison(metrics))
        return Follower(self.service, self.log, reports, metrics, stop or Event())

    def refused(self) -> float:
        labels = {"line": "l1", "recipe": "cup"}
        return self.registry.get_sample_value("inspector_deploy_refused_total", labels) or 0.0


def say(rig: Rig, state: WorkerState) -> None:
    """What a worker would tell the control topic."""
    with closing(rig.log.publisher()) as publisher:
        publisher.publish([worker_output(Topics("inspection", "l1"), state)])


def look(follower: Follower) -> Slot:
    """One look at the control topic; what judges then."""
    follower._read()
    follower._settle()
    return follower.active_models.slots[CUP]


def version_of(post: Slot) -> tuple[int, str]:
    return post.live.number, post.live.model.schema.version


def close(follower: Follower) -> None:
    follower._close()


@contextmanager
def worker(rig: Rig) -> Iterator[Follower]:
    follower = rig.follower()
    try:
        yield follower
    finally:
        close(follower)


def word(rig: Rig) -> WorkerState:
    """What the worker said last."""
    rig.orders()
    return rig.table.words(CUP)["worker-1"].state
