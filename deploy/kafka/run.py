"""Fetches Apache Kafka and runs one broker in KRaft mode on loopback. Needs Java and Maven only.

python3 deploy/kafka/run.py --port 9092 --data run/kafka
"""

import argparse
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
LIBS = HERE / "libs"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
RETRY_AFTER_S = (0.5, 1.5)
"""Pauses between attempts to download."""
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Java compiles little and collects garbage on one thread: a broker of one machine needs half the processor time so in
its first minutes, 5 s instead of 9 to start, and 20 ms instead of 40 for each transaction."""
HEAP = ("-Xmx1g", "-Xmn128m")
"""Room for old objects above all: unpacking batches of 100 MB, the broker keeps buffers of that size. With 512 MiB in
all it then collected garbage for minutes and answered nobody."""
INSTALL = {
    "java": "apt-get install openjdk-17-jre-headless (or: brew install openjdk@17)",
    "mvn": "apt-get install maven (or: brew install maven)",
}


class BrokerError(Exception):
    """The broker cannot run; the message says what to do."""


def require(*programs: str) -> None:
    """Raises BrokerError with the command that installs missing programs."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        commands = "; ".join(f"{program}: {INSTALL[program]}" for program in missing)
        raise BrokerError(f"Apache Kafka needs {' and '.join(missing)}. Install with: {commands}")


def fetch() -> None:
    """Downloads the jars to deploy/kafka/libs unless they are already there. Of several processes one downloads and the
    others wait, because Maven's local repository is not safe to share while it is written."""
    require("java")
    if _is_there():
        return
    require("mvn")
    with (HERE / "libs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_there():
            _download()


def _is_there() -> bool:
    return any(LIBS.glob("kafka_2.13-*.jar"))


def _download() -> None:
    """Tries again after a failure: a download that was cut short leaves parts that the next run replaces."""
    partial = HERE / "libs.part"
    command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    for pause_s in (*RETRY_AFTER_S, None):
        shutil.rmtree(partial, ignore_errors=True)
        result = subprocess.run([*command, f"-DoutputDirectory={partial}"], check=False)  # noqa: S603 - fixed command
        if result.returncode == 0:
            shutil.rmtree(LIBS, ignore_errors=True)
            partial.rename(LIBS)
            return
        if pause_s is not None:
            time.sleep(pause_s)
    raise BrokerError(
        f"Maven could not fetch Apache Kafka (exit code {result.returncode}): check the connection to Maven Central"
    )


def properties(port: int, controller_port: int, data: Path) -> dict[str, str]:
    """A one-node broker for development: no replication, no encryption, loopback only."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": str(data / "log"),
        "auto.create.topics.enable": "false",
        # A broker that was killed may register again only when its session has ended (default: 9 s).
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(17 * 2**20),
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    }


class Broker:
    """One broker process with its folder: `start`, `stop` (or `kill`), `start` again on the same data."""

    def __init__(
        self,
        data: Path,
        config: Mapping[str, str],
        scram: Mapping[str, str] | None = None,
        *,
        dies_with_us: bool = False,
        java: Sequence[str] = (),
    ) -> None:
        """`scram`: users and passwords (SCRAM-SHA-512) that exist from the start; `dies_with_us`: the broker stops when
        the thread that started it ends, even by a kill (on Linux); `java`: further options of the virtual machine."""
        self._java = ["java", *HEAP, "-Djava.awt.headless=true", *QUICK_START, *java, "-cp", f"{LIBS}/*"]
        self._dies_with_us = dies_with_us
        self._data = data
        self._config = dict(config)
        self._scram = dict(scram or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Returns when the broker serves. Raises BrokerError with the end of its log when it does not."""
        fetch()
        self._data.mkdir(parents=True, exist_ok=True)
        file = self._data / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in self._config.items()))
        if not (self._data / "log" / "meta.properties").exists():
            self._format(file)
        with (self._data / "broker.log").open("wb") as out:
            process = subprocess.Popen(  # noqa: S603
                [*self._java, "kafka.Kafka", str(file)],
                stdout=out,
                stderr=out,
                preexec_fn=_stopped_with_parent() if self._dies_with_us else None,
            )
        self._process = process
        try:
            self._wait(process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """An orderly stop; a hard one when it takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Like a power failure."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def wait(self) -> int:
        """Waits until the process ends by itself; returns its exit code."""
        return 0 if self._process is None else self._process.wait()

    def _format(self, file: Path) -> None:
        tool = ("kafka.tools.StorageTool", "format", "-t", "aW5zcGVjdG9yLWRldi0wMQ", "-c", str(file))
        command = [*self._java, *tool]
        for user, password in self._scram.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        result = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if result.returncode != 0:
            raise BrokerError(f"formatting {self._data} failed: {(result.stdout + result.stderr).decode()[-1000:]}")

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            output = (self._data / "broker.log").read_text(errors="replace")
            if "Kafka Server started" in output:
                return
            if process.poll() is not None:
                raise BrokerError(f"the broker ended while starting:\n{_causes(output)}\n(see {self._data}/broker.log)")
            time.sleep(0.1)
        self.kill()
        raise BrokerError(f"the broker did not start within {START_TIMEOUT_S:.0f} s: see {self._data}/broker.log")


def _causes(output: str) -> str:
    """The lines of a broker's log that explain its end."""
    lines = [line for line in output.splitlines() if " ERROR " in line or "Exception" in line]
    return "\n".join(lines[:5]) or output[-2000:]


def _stopped_with_parent() -> Callable[[], None] | None:
    """A function that binds a child to the life of this process; None where the system has no such function."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
    set_parent_death_signal = 1

    def bind() -> None:
        prctl(set_parent_death_signal, signal.SIGTERM)
        if os.getppid() != parent:  # the parent has ended already
            os._exit(1)

    return bind


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="One Kafka broker on loopback, until Ctrl-C.")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--controller-port", type=int, default=9093)
    parser.add_argument("--data", type=Path, default=Path("run/kafka"))
    options = parser.parse_args()
    data = options.data.resolve()
    broker = Broker(data, properties(options.port, options.controller_port, data), dies_with_us=True)
    signals = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    for number in signals:  # nohup ignores HUP, and that must stay
        signal.signal(number, _end)
    try:
        broker.start()
        print(f"Kafka runs at 127.0.0.1:{options.port}, data in {data}; Ctrl-C stops it", flush=True)
        return broker.wait()
    except BrokerError as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for number in (signal.SIGINT, *signals):  # stopping has its own time limit
            signal.signal(number, signal.SIG_IGN)
        broker.stop()


if __name__ == "__main__":
    raise SystemExit(main())
