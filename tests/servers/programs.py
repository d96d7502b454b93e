"""Finds the servers and the browser that tests start, and installs missing ones. Needs nothing but Python.

python3 tests/servers/programs.py
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

POSTGRESQL_FOLDERS = ("/usr/lib/postgresql", "/opt/homebrew/opt/postgresql@17/bin", "/usr/local/opt/postgresql@17/bin")
POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this script whether a service that was just installed may start."""


@dataclass(frozen=True)
class Program:
    """One program with its names, and the packages that bring it."""

    names: tuple[str, ...]
    apt: str
    brew: str


PROGRAMS: Mapping[str, Program] = {
    "java": Program(("java",), "openjdk-17-jre-headless", "openjdk@17"),
    "maven": Program(("mvn",), "maven", "maven"),
    "chromium": Program(("chromium", "chromium-browser", "google-chrome"), "chromium", "--cask chromium"),
    "postgresql": Program(("initdb",), "postgresql", "postgresql@17"),
    "mosquitto": Program(("mosquitto",), "mosquitto", "mosquitto"),
    "alertmanager": Program(("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager", "alertmanager"),
}

may_start = True
"""Whether others' servers may be started now; the tests' conftest.py takes it from the mark of the running test."""


def path_of(program: str) -> Path | None:
    """The path of a program of `PROGRAMS`; None where it is not installed."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    for folder in POSTGRESQL_FOLDERS:
        folders += [folder, *sorted((str(path) for path in Path(folder).glob("*/bin")), reverse=True)]
    for name in PROGRAMS[program].names:
        if path := shutil.which(name, path=os.pathsep.join(folders)):
            return Path(path)
    return None


def required(program: str) -> Path:
    """Like `path_of`. Raises RuntimeError, with the command that installs it; also in a test without its mark."""
    check_mark(program)
    path = path_of(program)
    if path is None:
        raise RuntimeError(f"{program} is not installed; run: make services")
    return path


def check_mark(program: str) -> None:
    """Raises RuntimeError in a test that may not start servers."""
    if not may_start:
        raise RuntimeError(f"a test that starts {program} needs the mark broker: @pytest.mark.broker")


def _install(missing: list[str]) -> int:
    """Installs missing programs as far as that needs no password; returns the exit status."""
    packages = " ".join(PROGRAMS[program].apt for program in missing)
    if shutil.which("apt-get"):
        command = f"apt-get install -y --no-install-recommends {packages}"
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not root or (shutil.which("sudo") and subprocess.run([*root, "true"], check=False).returncode == 0):
            return _apt(root, command)
        return _refuse(missing, f"sudo {command}")
    command = "brew install " + " ".join(PROGRAMS[program].brew for program in missing)
    if shutil.which("brew"):
        print(f"Installing {', '.join(missing)}.", flush=True)
        return subprocess.run(command.split(), check=False).returncode
    return _refuse(missing, command)


def _refuse(missing: list[str], command: str) -> int:
    print(f"make: the tests need {', '.join(missing)}. Install with: {command}", file=sys.stderr)
    return 1


def _apt(root: list[str], command: str) -> int:
    print(f"Installing the servers that the tests need: {command}", flush=True)
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    with _services_stay_off(root):
        for step in ("apt-get update -qq", command.replace("apt-get", "apt-get -qq", 1)):
            result = subprocess.run([*root, *environment, *step.split()], check=False, stdout=subprocess.DEVNULL)
            if result.returncode != 0:
                return result.returncode
    return 0


@contextlib.contextmanager
def _services_stay_off(root: list[str]) -> Iterator[None]:
    """Keeps Debian from starting the servers that it installs: tests start their servers on free ports of loopback."""
    if POLICY.exists():
        yield
        return
    subprocess.run([*root, "tee", str(POLICY)], input=b"#!/bin/sh\nexit 101\n", stdout=subprocess.DEVNULL, check=True)
    subprocess.run([*root, "chmod", "755", str(POLICY)], check=True)
    try:
        yield
    finally:
        subprocess.run([*root, "rm", "-f", str(POLICY)], check=True)


def main() -> int:
    missing = [program for program in PROGRAMS if path_of(program) is None]
    if not missing:
        return 0
    status = _install(missing)
    missing = [program for program in missing if path_of(program) is None]
    if status == 0 and missing:
        return _refuse(missing, "your package manager")
    return status


if __name__ == "__main__":
    sys.exit(main())
