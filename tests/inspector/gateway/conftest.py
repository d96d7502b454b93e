"""Gives each test a gateway over a log, and clients, all closed at its end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from inspector.access.audit.protocol import Audit, NoAudit
from inspector.client.client import Client, ClientTls
from inspector.gateway.server import Backend, Gateway
from inspector.gateway.settings import GatewaySettings
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.service_pb2 import GetModelResponse
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.observation import CloseReason, Observation
from streams.records import Record
from tests.inspector.gateway.memory_log import MemoryLog

NO_AUDIT = NoAudit()
SETTINGS = GatewaySettings(listen="127.0.0.1:0", poll_s=0.02, heartbeat_s=0.2, send_timeout_s=2.0)
SPEC = AssemblySpec(
    cameras=(CameraSpec("top", 2),),
    sensors=(SensorSpec("mic", "audio", 8000.0, start_s=0.0, end_s=0.5, min_coverage=0.5),),
)


class OneRecipe:
    """Every station of line `a` makes product `p`."""

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return SPEC if (line, product) == ("a", "p") else None

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        return {sensor.name: sensor for sensor in SPEC.sensors}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset(camera.name for camera in SPEC.cameras)

    def traces_open(self, line: str, station: str) -> bool:
        return False


class CountingJudge:
    """Passes what has all its images."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        self.seen += observations
        return [self._verdict(observation) for observation in observations]

    def _verdict(self, observation: Observation) -> Verdict:
        verdict = Verdict(inspection=Inspection(**observation.inspection._asdict()), product=observation.product)
        if observation.closing is CloseReason.NO_RECIPE:
            verdict.decision = Decision.DECISION_REVIEW
            verdict.reason = DecisionReason.DECISION_REASON_NO_RECIPE
        else:
            verdict.decision = Decision.DECISION_PASS
        return verdict


def verdict_bytes(
    piece: int, *, station: str = "s", product: str = "p", fail: bool = False, note: bytes = b""
) -> bytes:
    decision = Decision.DECISION_FAIL if fail else Decision.DECISION_PASS
    inspection = Inspection(line="a", station=station, piece_id=f"{piece:06d}")
    verdict = Verdict(inspection=inspection, product=product, decision=decision)
    if note:
        verdict.images.add(heat_map_png=note)
    return verdict.SerializeToString()


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    with_partitions = MemoryLog()
    yield with_partitions
    with_partitions.close()


@pytest.fixture
def put(log: MemoryLog) -> Callable[..., Record]:
    """Appends one verdict; its station is that of its partition."""

    def append(piece: int, partition: int = 0, append_ns: int | None = None, **more: object) -> Record:
        value = verdict_bytes(piece, **{"station": f"s{partition}", **more})  # type: ignore[arg-type]
        return log.append(log.partitions[partition], value, append_ns)

    return append


@pytest.fixture
def judge() -> CountingJudge:
    return CountingJudge()


@pytest.fixture
def gateways(log: MemoryLog, judge: CountingJudge) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways over the one log."""
    started: list[Gateway] = []

    def start(
        settings: GatewaySettings = SETTINGS,
        *,
        wait: bool = True,
        audit: Audit = NO_AUDIT,
        judge: CountingJudge = judge,
        **changes: object,
    ) -> Gateway:
        models = {"": GetModelResponse(bundle="demo")}
        backend = Backend(
            log, "t", frozenset({"a"}), OneRecipe(), lambda line, *_: models.get(line), judge, audit=audit
        )
        gateway = Gateway(backend, replace(settings, **changes))  # type: ignore[arg-type]
        started.append(gateway)
        gateway.start()
        assert not wait or gateway.wait_serving(10)
        return gateway

    yield start
    for gateway in started:
        gateway.stop(1.0)


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def connect(gateway: Gateway, tls: ClientTls | None = None) -> Client:
        client = Client(gateway.address, tls)
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()
