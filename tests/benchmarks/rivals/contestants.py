"""Names the contestants: how each is started, the settings it gets, and where its documentation recommends them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.setting import Setting, inspector

Commands = list[list[str]]


@dataclass(frozen=True)
class StreamContestant:
    """Reads the line's topics and writes verdicts."""

    name: str
    guarantee: str
    settings: str
    ready: tuple[str, int]
    """Text in its output, and how often it stands there once it works."""
    commands: Callable[[Setting, Path, Path], Commands]
    """Of the setting, the peers' Python and the bundle."""


@dataclass(frozen=True)
class RequestContestant:
    """Answers one request per piece."""

    name: str
    settings: str
    max_batch: int
    kind: str
    """Of the client: `grpc`, `octets`, `text` or `texts`."""
    commands: Callable[[int, Path, Path], Commands] = field(default=lambda port, python, bundle: [])
    """Of port, the peers' Python and the bundle; none: the service itself."""
    gateways: int = 0
    """Of the service: processes of `inspector gateway` that share its port."""


def _module(name: str, processes: int, *more: str) -> Callable[[Setting, Path, Path], Commands]:
    def commands(setting: Setting, python: Path, bundle: Path) -> Commands:
        shared = ["--bootstrap", setting.bootstrap, "--prefix", setting.prefix, "--bundle", str(bundle), *more]
        start = [str(python), "-m", f"tests.benchmarks.rivals.{name}", *shared]
        return [
            [*start, "--member", str(number), "--state", str(setting.folder / f"state-{number}")]
            for number in range(processes)
        ]

    return commands


def _serve(setting: Setting, _python: Path, _bundle: Path) -> Commands:
    return [inspector("serve", "--config", str(setting.config))]


LOOP = (
    "confluent-kafka (librdkafka): records in batches of up to 500 within 20 ms, up to 16 pieces a run, linger.ms 5; "
    "positions are committed synchronously before the work (Kafka's documentation, design: at most once); "
    "group.instance.id (KIP-345) against waiting for the session timeout after a restart"
)
QUIX = (
    'processing_guarantee="exactly-once", a fixed transactional.id and group.instance.id, so that a restart waits for '
    "no time-out; linger.ms 5; commit_interval"
)
QUIX_READY = "is now processing incoming"
QUICK_COMMITS = "0.1 s, because results are visible once committed"
STREAMS: Sequence[StreamContestant] = (
    StreamContestant(
        "inspector", "exactly once", "defaults; one worker process", ("is assigned to this worker", 4), _serve
    ),
    StreamContestant("loop", "at most once", LOOP, ("assigned 12", 1), _module("loop", 1)),
    StreamContestant("loop-2", "at most once", f"two processes; {LOOP}", ("assigned 6", 2), _module("loop", 2)),
    StreamContestant("quix", "exactly once", f"{QUIX} {QUICK_COMMITS}", (QUIX_READY, 1), _module("quix", 1)),
    StreamContestant(
        "quix-5s",
        "exactly once",
        f"{QUIX} 5 s, the default: fewer transactions, and results that wait for them",
        (QUIX_READY, 1),
        _module("quix", 1, "--commit", "5"),
    ),
    StreamContestant(
        "quix-2", "exactly once", f"two processes; {QUIX} {QUICK_COMMITS}", (QUIX_READY, 2), _module("quix", 2)
    ),
)

SHARED = "two processes at one address (share_port), of which one also judges the line"
BATCH_WAIT = "waits 2 ms for a batch"
FASTAPI = (
    "uvicorn with uvloop and httptools (the settings that uvicorn[standard] installs), as many workers as cores "
    "(--workers), graphs in a thread, no access log"
)
LITSERVE = (
    'workers_per_device=2, accelerator="cpu", fast_queue=True (ZeroMQ; the reference of LitServer: above 100 '
    "requests/s), as many HTTP servers as workers (the recommended default)"
)
BENTOML = "workers=2, threads=1, no metrics, the production server of `bentoml serve` (uvicorn with uvloop)"


def _http(name: str, max_batch: int) -> Callable[[int, Path, Path], Commands]:
    def commands(port: int, python: Path, bundle: Path) -> Commands:
        arguments = ["--port", str(port), "--bundle", str(bundle), "--max-batch", str(max_batch)]
        return [[str(python), "-m", f"tests.benchmarks.rivals.{name}_server", *arguments]]

    return commands


def _bentoml(max_batch: int) -> Callable[[int, Path, Path], Commands]:
    def commands(port: int, python: Path, bundle: Path) -> Commands:
        service = "tests.benchmarks.rivals.bentoml_server:InspectService"
        serve = [str(python), "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]
        return [["env", f"RIVAL_BUNDLE={bundle}", f"RIVAL_MAX_BATCH={max_batch}", "BENTOML_DO_NOT_TRACK=True", *serve]]

    return commands


REQUESTS: Sequence[RequestContestant] = (
    RequestContestant("inspector", f"inspect_batch = 1, {SHARED}", 1, "grpc", gateways=1),
    RequestContestant("fastapi", FASTAPI, 1, "octets", _http("fastapi", 1)),
    RequestContestant("litserve", LITSERVE, 1, "text", _http("litserve", 1)),
    RequestContestant("bentoml", BENTOML, 1, "texts", _bentoml(1)),
    RequestContestant("inspector-8", f"defaults, {SHARED}", 8, "grpc", gateways=1),
    RequestContestant("inspector-one", "defaults: one process, which also judges the line", 8, "grpc"),
    RequestContestant("fastapi-8", f"{FASTAPI}; {BATCH_WAIT}", 8, "octets", _http("fastapi", 8)),
    RequestContestant("litserve-8", f"{LITSERVE}; max_batch_size=8, {BATCH_WAIT}", 8, "text", _http("litserve", 8)),
    RequestContestant(
        "bentoml-8", f"{BENTOML}; batchable, max_batch_size=8 (adaptive batching)", 8, "texts", _bentoml(8)
    ),
)


def names() -> list[str]:
    return sorted({each.name for each in STREAMS} | {each.name for each in REQUESTS})
