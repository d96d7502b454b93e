"""Defines the tables of a service's configuration file. Opens nothing.

Paths are relative to the configuration file. Names end in their unit. A key without a docstring takes default and
meaning from the settings class (or classes) in `meanings_from`.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from inspector.access.exposure import is_loopback
from inspector.access.settings import AccessSettings
from inspector.engines.cores import usable_cores
from inspector.engines.engine import EngineSettings
from inspector.gateway.certificates import TlsFiles
from inspector.gateway.settings import GatewaySettings
from inspector.inference.batching import MAX_BATCH
from inspector.judging.settings import BudgetSettings, OverloadSettings
from inspector.worker.settings import PipelineSettings, StallSettings
from streams.embedded.settings import EmbeddedSettings
from streams.join.assembly import JoinSettings
from streams.kafka.settings import KafkaSecurity, KafkaSettings
from streams.references.addresses import prefix_problem
from streams.references.lane import ReferenceSettings

_BUDGET = BudgetSettings()
_NO_ACCESS = AccessSettings()
_EMBEDDED = EmbeddedSettings()
_GATEWAY = GatewaySettings()
_JOIN = JoinSettings()
_KAFKA = KafkaSettings()
_OVERLOAD = OverloadSettings()
_PIPELINE = PipelineSettings()
_REFERENCES = ReferenceSettings()
_STALL = StallSettings()


def _resolved(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    try:
        return Path(folder / path).resolve()
    except (OSError, RuntimeError, ValueError) as exc:  # a loop of links, a NUL
        raise ValueError(f"leads nowhere ({exc}); correct the path") from exc


def _existing(path: Path) -> Path:
    try:
        if path.is_file():
            path.open("rb").close()
            return path
    except OSError as exc:
        raise ValueError(f"{path} cannot be read ({exc.strerror}); give this user the right to read it") from exc
    raise ValueError(f"{path} is no file; correct the path or put the file there")


def _no_folder(path: Path) -> Path:
    try:
        is_folder = path.is_dir()
    except OSError as exc:
        raise ValueError(f"{path} cannot be reached ({exc.strerror}); correct the path or the rights on it") from exc
    if is_folder:
        raise ValueError(f"{path} is a folder; name the log's file in it, such as {path / 'log.sqlite'}")
    return path


def _address(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError('is no address; write host:port, such as "127.0.0.1:50051"')
    return value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=48)]
FilePath = Annotated[Path, AfterValidator(_resolved), AfterValidator(_no_folder)]
AnyPath = Annotated[Path, AfterValidator(_resolved)]
ExistingFile = Annotated[Path, AfterValidator(_resolved), AfterValidator(_existing)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Bytes = Annotated[int, Field(gt=0, le=2**50)]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class EmbeddedTable(Table):
    """A log in one SQLite file: no broker needed."""

    meanings_from: ClassVar[type] = EmbeddedSettings

    kind: Literal["embedded"]
    """Chooses the embedded log."""
    path: FilePath
    """The log's file; created if it does not exist."""
    max_bytes: Bytes = _EMBEDDED.max_bytes
    max_age_s: Seconds = _EMBEDDED.max_age_s
    start_at: Literal["earliest", "live"] = "earliest"
    """Where a worker without a committed position begins: at the oldest record or at new records."""


class ClientTlsTable(Table):
    """Certificates towards a server; meanings come from the settings of the subclass."""

    ca_file: ExistingFile | None = None
    cert_file: ExistingFile | None = None
    key_file: ExistingFile | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("only one of cert_file and key_file is given; give both or neither")
        return self


class TlsTable(ClientTlsTable):
    """TLS towards the brokers; without files the system's authorities are trusted."""

    meanings_from: ClassVar[type] = KafkaSecurity


class SaslTable(Table):
    """Login at the brokers. The password itself never stands in the file."""

    meanings_from: ClassVar[type] = KafkaSecurity

    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = _KAFKA.security.mechanism
    username: str = Field(min_length=1)
    password_env: str | None = None
    """Name of the environment variable that holds the password."""
    password_file: ExistingFile | None = None
    """File that holds the password, in place of the variable."""

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if (self.password_env is None) == (self.password_file is None):
            raise ValueError("needs one of password_env and password_file; give exactly one")
        return self


class KafkaTable(Table):
    """Apache Kafka 4."""

    meanings_from: ClassVar[type] = KafkaSettings

    kind: Literal["kafka"]
    """Chooses Kafka."""
    bootstrap_servers: tuple[Address, ...] = Field(min_length=1)
    group: Name = _KAFKA.group
    start_at: Literal["earliest", "live"] = _KAFKA.start_at
    tls: TlsTable | None = None
    """Encryption towards the brokers; without the table none."""
    sasl: SaslTable | None = None
    """Login at the brokers; without the table none."""
    session_timeout_s: Seconds = _KAFKA.session_timeout_s
    transaction_timeout_s: Seconds = _KAFKA.transaction_timeout_s
    gather_s: float = Field(default=_KAFKA.gather_s, ge=0, le=1)
    linger_s: float = Field(default=_KAFKA.linger_s, ge=0, le=1)


class JoinTable(Table):
    """How the join treats time and memory."""

    meanings_from: ClassVar[type] = JoinSettings

    max_delay_s: Seconds = _JOIN.max_delay_s
    reorder_s: Seconds = _JOIN.reorder_s
    dedup_horizon_s: Seconds = _JOIN.dedup_horizon_s
    max_skew_s: Seconds = _JOIN.max_skew_s
    max_source_offset_s: Seconds = _JOIN.max_source_offset_s
    jitter_s: Seconds = _JOIN.jitter_s
    read_ahead_s: Seconds = _JOIN.read_ahead_s
    max_open_pieces: int = Field(default=_JOIN.max_open_pieces, ge=1, le=100_000)
    max_open_bytes: Bytes = _JOIN.max_open_bytes
    max_signal_bytes: Bytes = _JOIN.max_signal_bytes
    max_stations: int = Field(default=_JOIN.max_stations, ge=1, le=10_000)

    @property
    def settings(self) -> JoinSettings:
        return JoinSettings(**self.model_dump())


EngineWish = Literal[
    "tensorrt/fp32", "tensorrt/fp16", "tensorrt/int8", "openvino/fp32", "openvino/int8", "onnx/fp32", "onnx/int8"
]
DEFAULT_ENGINES: tuple[EngineWish, ...] = (
    "tensorrt/fp16",
    "tensorrt/int8",
    "tensorrt/fp32",
    "onnx/int8",
    "openvino/int8",
    "onnx/fp32",
)
"""Usually by speed; `inspector bench engines` measures it for a bundle (small experts are faster in ONNX Runtime).
Without openvino/fp32, which always runs and would hide the engines behind it."""


class WorkerTable(Table):
    """How a worker works."""

    meanings_from: ClassVar[tuple[type, ...]] = (PipelineSettings, OverloadSettings, BudgetSettings)

    name: Name = "worker-1"
    """Unique among the group's workers and the same after a restart."""
    bundles: Path = Path("bundles")
    """Folder of deployed bundles, shared by all workers of the lines: `inspector deploy` writes there."""
    engines: tuple[EngineWish, ...] = Field(default=DEFAULT_ENGINES, min_length=1)
    """In order of preference: the first one that the bundle is compiled for and that runs on this machine is used."""
    cores: int | None = Field(default=None, ge=1, le=256)
    """Processor cores that the worker uses; without a value all that its process may use (affinity and quota). With 1,
    one thread reads, joins, judges and commits; from 2 on, another one judges."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of each engine session, in addition to `cores`."""
    max_batch: int = Field(default=MAX_BATCH, ge=1, le=256)
    """Most pieces in one run of an expert."""
    commit_delay_s: Seconds = _PIPELINE.commit_delay_s
    max_verdicts_per_commit: int = Field(default=_PIPELINE.max_verdicts_per_commit, ge=1, le=1000)
    stop_budget_s: Seconds = 10.0
    """A process ends within this time after it was asked to stop."""
    stall_after_s: Seconds = _STALL.after_s
    """Unread input or open pieces without progress for this long set health to NOT_SERVING and raise the alert."""
    scouts_only_after_s: Seconds = _OVERLOAD.scouts_only_after_s
    review_after_s: Seconds = _OVERLOAD.review_after_s
    max_p99_s: Seconds | None = _BUDGET.max_p99_s
    max_cpu_share: float | None = Field(default=_BUDGET.max_cpu_share, gt=0, le=256)

    @property
    def num_cores(self) -> int:
        return usable_cores() if self.cores is None else self.cores

    @property
    def engine_preferences(self) -> tuple[EngineSettings, ...]:
        return tuple(EngineSettings.parse(label, self.threads) for label in self.engines)

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.review_after_s < self.scouts_only_after_s:
            raise ValueError(
                f"review_after_s = {self.review_after_s} lies below scouts_only_after_s = {self.scouts_only_after_s}; "
                "raise it: scouts come first, REVIEW after them"
            )
        return self


class ServerTlsTable(Table):
    """TLS of a server, PEM files. With `client_ca` clients need a certificate of that authority."""

    cert: ExistingFile
    """The server's certificate and its chain."""
    key: ExistingFile
    """Its key, not encrypted."""
    client_ca: ExistingFile | None = None
    """Authority of the clients' certificates; without it clients need none."""

    @property
    def files(self) -> TlsFiles:
        return TlsFiles(self.cert, self.key, self.client_ca)


class GatewayTable(Table):
    """How verdicts are served over gRPC."""

    meanings_from: ClassVar[type] = GatewaySettings

    listen: Address = _GATEWAY.listen
    share_port: bool = _GATEWAY.share_port
    tls: ServerTlsTable | None = None
    """Encryption towards clients; none without this table."""
    allow_insecure: bool = _GATEWAY.allow_insecure
    max_watchers: int = Field(default=_GATEWAY.max_watchers, ge=1, le=10_000)
    max_connections: int = Field(default=_GATEWAY.max_connections, ge=16, le=100_000)
    max_connections_per_host: int = Field(default=_GATEWAY.max_connections_per_host, ge=1, le=100_000)
    request_timeout_s: Seconds = _GATEWAY.request_timeout_s
    unread_bytes: int = Field(default=_GATEWAY.unread_bytes, ge=2**20)
    feedback_per_s: float = Field(default=_GATEWAY.feedback_per_s, gt=0, le=10_000)
    lookup_s: Seconds = _GATEWAY.lookup_s
    ring_bytes: Bytes = _GATEWAY.ring_bytes
    ring_age_s: Seconds = _GATEWAY.ring_age_s
    index_bytes: Bytes = _GATEWAY.index_bytes
    index_age_s: Seconds = _GATEWAY.index_age_s
    read_back_s: Seconds = _GATEWAY.read_back_s
    send_timeout_s: Seconds = _GATEWAY.send_timeout_s
    inspect_concurrency: int = Field(default=_GATEWAY.inspect_concurrency, ge=1, le=256)
    inspect_batch: int = Field(default=_GATEWAY.inspect_batch, ge=1, le=64)
    inspect_queue: int = Field(default=_GATEWAY.inspect_queue, ge=0, le=1024)
    inspect_queue_bytes: Bytes = _GATEWAY.inspect_queue_bytes

    @model_validator(mode="after")
    def _protected(self) -> Self:
        check_exposure("gateway", self.listen, self.tls, allow_insecure=self.allow_insecure)
        return self

    def settings(self, max_record_bytes: int, access: AccessSettings = _NO_ACCESS) -> GatewaySettings:
        """The settings of the gateway; `max_record_bytes` also limits its messages."""
        values = self.model_dump(exclude={"tls"})
        tls = None if self.tls is None else self.tls.files
        return GatewaySettings(**values, tls=tls, max_record_bytes=max_record_bytes, access=access)


def check_exposure(table: str, listen: str, tls: ServerTlsTable | None, *, allow_insecure: bool) -> None:
    """Raises ValueError if data could leave the machine unencrypted without `allow_insecure`."""
    if tls is None and not allow_insecure and not is_loopback(listen):
        raise ValueError(
            f"listen = {listen!r} is reachable from outside and has no TLS; add [{table}.tls], listen on 127.0.0.1, "
            "or set allow_insecure = true where the network is protected otherwise"
        )


class MetricsTable(Table):
    """Where metrics are served; without this table they are not."""

    listen: Address = "127.0.0.1:9464"
    """Where Prometheus finds `/metrics`, as host:port."""
    tls: ServerTlsTable | None = None
    """Encryption towards Prometheus; none without this table."""
    allow_insecure: bool = False
    """Allows other hosts to connect without TLS: only inside a network that is protected otherwise."""

    @model_validator(mode="after")
    def _protected(self) -> Self:
        check_exposure("metrics", self.listen, self.tls, allow_insecure=self.allow_insecure)
        return self


def _prefix(value: str) -> str:
    if fault := prefix_problem(value):
        raise ValueError(fault)
    return value


class ReferencesTable(Table):
    """Addresses that images may be fetched from (none by default), and limits of fetching."""

    meanings_from: ClassVar[type] = ReferenceSettings

    allowed_prefixes: tuple[Annotated[str, AfterValidator(_prefix)], ...] = ()
    timeout_s: Seconds = _REFERENCES.timeout_s
    """Limit from the start of a fetch to its last byte. A piece waits at most `join.max_delay_s` for its images."""
    max_bytes: Bytes = _REFERENCES.max_bytes
    """Memory for files being fetched, shared equally by the prefixes."""

    @property
    def settings(self) -> ReferenceSettings:
        return ReferenceSettings(self.allowed_prefixes, self.timeout_s, self.max_bytes)
