"""Sets a service up for a benchmark: configuration, log, broker, processes, a counting client."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.run import Broker, properties
from inspector.client.client import Client, Watch, WatchOptions
from protos.inspection.v1.verdict_pb2 import Verdict
from tests.integration.conftest import free_ports

ROOT = Path(__file__).resolve().parents[2]
START_BUDGET_S, STOP_BUDGET_S = 180.0, 20.0


@dataclass(frozen=True)
class Setting:
    """One service on one log, with everything of it in one folder."""

    folder: Path
    prefix: str
    bootstrap: str
    """Empty for the embedded log."""
    recipe: str
    """TOML."""
    max_delay_s: float = 1.0
    address: str = ""

    @property
    def config(self) -> Path:
        return self.folder / "service.toml"

    @classmethod
    def create(cls, folder: Path, bootstrap: str, recipe: str, max_delay_s: float = 1.0) -> "Setting":
        """Writes configuration and recipe, and makes the topics."""
        folder.mkdir(parents=True)
        address = f"127.0.0.1:{free_ports(1)[0]}"
        setting = cls(folder, folder.name, bootstrap, recipe, max_delay_s, address)
        (folder / "recipe.toml").write_text(recipe)
        setting.config.write_text(setting._toml())
        if bootstrap:
            command = inspector("topics", "create", "--config", str(setting.config), "--partitions", "4")
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return setting

    def bear_a_busy_machine(self) -> None:
        """It publishes late, some sources later than others, and judges late: that must change no decision."""
        text = self.config.read_text().replace("[join]\n", "[join]\nmax_skew_s = 100.0\nmax_source_offset_s = 100.0\n")
        self.config.write_text(f"{text}[worker]\nscouts_only_after_s = 31000000\nreview_after_s = 31000000\n")

    def set_gateway(self, **values: bool | int) -> None:
        """Adds settings of the gateway."""
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        self.config.write_text(self.config.read_text().replace("[gateway]\n", f"[gateway]\n{lines}"))

    def _toml(self) -> str:
        log = f'kind = "kafka"\nbootstrap_servers = ["{self.bootstrap}"]\ngroup = "{self.prefix}"'
        if not self.bootstrap:
            log = f'kind = "embedded"\npath = "{self.folder / "log.sqlite"}"'
        return (
            f'prefix = "{self.prefix}"\nlines = ["line-1"]\nrecipes = ["recipe.toml"]\n[log]\n{log}\n'
            f"[join]\nmax_delay_s = {self.max_delay_s}\nmax_stations = 256\n"
            f'[floor]\nenabled = false\n[gateway]\nlisten = "{self.address}"\n'
        )


def inspector(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "inspector", *arguments]


@contextmanager
def broker(folder: Path) -> Iterator[tuple[str, int | None]]:
    """A real broker on free ports: its address and its process."""
    port, controller = free_ports(2)
    running = Broker(folder, properties(port, controller, folder))
    running.start()
    try:
        yield f"127.0.0.1:{port}", running.pid
    finally:
        running.stop()


@contextmanager
def process(command: list[str], log: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that is ended orderly; its standard output is for the caller, the rest goes into the file."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as running,
    ):
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(STOP_BUDGET_S)
            except subprocess.TimeoutExpired:
                running.kill()


@contextmanager
def service(setting: Setting) -> Iterator["subprocess.Popen[str]"]:
    """`inspector serve`, once it judges: its worker owns the line and its gateway answers."""
    command = inspector("serve", "--config", str(setting.config))
    with process(command, setting.folder / "service.log") as running:
        _wait_owned(setting, running)
        yield running


def _wait_owned(setting: Setting, running: "subprocess.Popen[str]") -> None:
    deadline_s = time.monotonic() + START_BUDGET_S
    num_partitions = 4 if setting.bootstrap else 1
    while (setting.folder / "service.log").read_text().count("is assigned to this worker") < num_partitions:
        if running.poll() is not None or time.monotonic() > deadline_s:
            output = (setting.folder / "service.log").read_text()[-2000:]
            raise RuntimeError(f"the service did not start within {START_BUDGET_S:.0f} s; its log ends with:\n{output}")
        time.sleep(0.1)


Receipt = tuple[Verdict, int]
"""A verdict and the wall time of its receipt."""


class Receiver:
    """A gRPC client in a thread of its own that takes every verdict with the time of its receipt."""

    def __init__(self, address: str) -> None:
        self.receipts: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        self._client = Client(address)
        self._watch: Watch = self._client.watch(WatchOptions(earliest=True))
        self._thread = threading.Thread(target=self._take, name="watch")

    def __enter__(self) -> "Receiver":
        self._thread.start()
        if not self._watch.positioned.wait(START_BUDGET_S):
            raise RuntimeError(f"the gateway did not answer within {START_BUDGET_S:.0f} s")
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()
        self._thread.join()
        self._client.close()

    def _take(self) -> None:
        for verdict, _ in self._watch:
            self.receipts.put((verdict, time.time_ns()))

    def drain(self) -> list[Receipt]:
        """Receipts since the last call."""
        receipts = []
        while not self.receipts.empty():
            receipts.append(self.receipts.get())
        return receipts
