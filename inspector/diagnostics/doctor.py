"""Finds out what this machine has of what the product can use. Starts no engine and changes nothing."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from inspector.bundle.load import BundleError, load
from inspector.config.service import ServiceConfig, load_service, load_service_config
from inspector.config.tables import KafkaTable, WorkerTable
from inspector.engines.choice import Option, options
from inspector.engines.engine import EngineError, EngineSettings
from inspector.engines.tensorrt.device import find_device
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import load_api
from inspector.recipe.compatibility import read_bundle
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe
from inspector.recipe.thresholds import covering, promise_words
from streams.references.addresses import install_words, missing_package

_NEEDED_MEMORY_MIB = 1024
_CONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table; `optional` is absent and not needed for serving, `wrong` is."""

    subject: str
    state: Literal["ok", "optional", "wrong"]
    found: str
    remedy: str = ""


def examine(config: Path | None = None, bundle: Path | None = None) -> list[Finding]:
    """All findings; with a configuration also whether its log can be reached, and what its bundles could run in."""
    findings = [_python(), _cores(), _memory(), _sqlite(), _openssl(), *_engines(), _training(), _java(), _maven()]
    if bundle is not None:
        findings += bundle_findings(bundle, WorkerTable().engine_preferences)
    return findings if config is None else [*findings, *_configuration(config)]


def bundle_findings(
    folder: Path, wishes: Sequence[EngineSettings], gpu: Callable[[], GpuApi] = load_api
) -> list[Finding]:
    """The table of engines that the service makes at its start: the first that is ok judges."""
    try:
        found = options(load(folder), wishes, gpu)
    except BundleError as exc:
        return [Finding(f"bundle {folder.name}", "wrong", str(exc), "put a whole bundle there")]
    taken = next((option for option in found if not option.why_not), None)
    table = [_option(folder, option, is_taken=option is taken) for option in found]
    if taken is None:
        remedy = 'add "onnx/fp32", which every bundle runs in, to [worker] engines'
        table.append(Finding(f"bundle {folder.name}", "wrong", "none of the engines runs it here", remedy))
    return table


def _option(folder: Path, option: Option, *, is_taken: bool) -> Finding:
    subject = f"{folder.name} in {option.settings}"
    if option.why_not:
        return Finding(subject, "optional", *_split(option.why_not))
    return Finding(subject, "ok", "runs here, and judges" if is_taken else "runs here")


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}")


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Finding("processor cores", "ok", f"{usable} usable, {platform.machine()}")


def _memory() -> Finding:
    limit_mib = _memory_mib()
    if limit_mib is None:
        return Finding("memory", "ok", "not known on this system")
    if limit_mib < _NEEDED_MEMORY_MIB:
        return Finding("memory", "wrong", f"{limit_mib} MiB", f"give it {_NEEDED_MEMORY_MIB} MiB at least")
    return Finding("memory", "ok", f"{limit_mib} MiB")


def _memory_mib() -> int | None:
    """The machine's memory, or the container's limit where that is less."""
    limits = []
    for path, scale in ((Path("/proc/meminfo"), 2**10), (Path("/sys/fs/cgroup/memory.max"), 2**20)):
        words = path.read_text(encoding="ascii").split() if path.is_file() else []
        number = next((word for word in words if word.isdecimal()), None)
        if number is not None:
            limits.append(int(number) // scale)
    return min(limits, default=None)


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info >= (3, 35):
        return Finding("embedded log", "ok", f"SQLite {sqlite3.sqlite_version}")
    return Finding("embedded log", "wrong", f"SQLite {sqlite3.sqlite_version}", "install SQLite 3.35 or newer")


def _openssl() -> Finding:
    return Finding("TLS", "ok", ssl.OPENSSL_VERSION)


def _engines() -> list[Finding]:
    return [
        _package("engine onnx", "onnxruntime", "pip install inspector", needed=True),
        _package("engine openvino", "openvino", "in the checkout, pip install '.[openvino]'"),
        _package("engine torch", "torch", "in the checkout, pip install '.[train]'"),
        _tensorrt(),
    ]


def _tensorrt() -> Finding:
    try:
        api = load_api()
        device = find_device(api.cuda)
    except EngineError as exc:
        return Finding("engine tensorrt", "optional", *_split(str(exc)))
    return Finding("engine tensorrt", "ok", f"{api.compiler} on {device}")


def _split(why_not: str) -> tuple[str, str]:
    """Errors of engines say what they found, then what helps."""
    found, _, remedy = why_not.partition("; ")
    return found, remedy


def _training() -> Finding:
    missing = [name for name in ("torch", "timm", "librosa", "sklearn") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(
            "training", "optional", f"{', '.join(missing)} missing", "in the checkout, pip install '.[train]'"
        )
    return Finding("training", "ok", "all packages are there")


def _package(subject: str, name: str, remedy: str, *, needed: bool = False) -> Finding:
    try:
        return Finding(subject, "ok", f"{name} {importlib.metadata.version(name)}")
    except importlib.metadata.PackageNotFoundError:
        return Finding(subject, "wrong" if needed else "optional", f"{name} is not installed", remedy)


def _java() -> Finding:
    return _program("Java (test broker)", "java", ("-version",), "apt-get install openjdk-17-jre-headless")


def _maven() -> Finding:
    return _program("Maven (test broker)", "mvn", ("--batch-mode", "--version"), "apt-get install maven")


def _program(subject: str, name: str, flags: tuple[str, ...], remedy: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(subject, "optional", f"{name} is not on the path", remedy)
    try:
        done = subprocess.run([path, *flags], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as exc:
        return Finding(subject, "optional", f"{path} does not run ({exc})", remedy)
    said = (done.stdout or done.stderr).strip().splitlines()
    return Finding(subject, "ok", click.unstyle(said[0]) if said else path)


def _configuration(path: Path) -> list[Finding]:
    try:
        config = load_service_config(path)
    except ConfigError as exc:
        return [Finding("configuration", "wrong", str(exc), "inspector check FILE")]
    return [*_promises(path), *_bundles(path, config), *_log(config), *_references(config)]


def _bundles(path: Path, config: ServiceConfig) -> list[Finding]:
    try:
        folders = sorted({recipe.bundle for recipe in load_service(path).recipes})
    except ConfigError:
        return []  # Told of with the recipes.
    return [finding for folder in folders for finding in bundle_findings(folder, config.worker.engine_preferences)]


def _log(config: ServiceConfig) -> list[Finding]:
    if isinstance(config.log, KafkaTable):
        return [_reach(address) for address in config.log.bootstrap_servers]
    folder = next(parent for parent in config.log.path.parents if parent.exists())
    if os.access(folder, os.W_OK):
        return [Finding("log file", "ok", f"{shutil.disk_usage(folder).free // 2**20} MiB free below {folder}")]
    return [Finding("log file", "wrong", f"{folder} cannot be written", "give this user the right or change log.path")]


def _references(config: ServiceConfig) -> list[Finding]:
    """Whether what reads the allowed prefixes is installed; whether they answer is for the service to see."""
    findings = []
    for prefix in config.references.allowed_prefixes:
        if package := missing_package(prefix):
            findings.append(
                Finding(f"images below {prefix}", "wrong", f"{package} is not installed", install_words(package))
            )
        else:
            findings.append(Finding(f"images below {prefix}", "ok", "can be read"))
    return findings


def _reach(address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S)):
            return Finding(f"broker {address}", "ok", "answers")
    except OSError as exc:
        remedy = "start it (make broker runs one here), or correct log.bootstrap_servers"
        return Finding(f"broker {address}", "wrong", f"cannot be reached ({exc})", remedy)


def _promises(path: Path) -> list[Finding]:
    try:
        return [_promise(recipe) for recipe in load_service(path).recipes]
    except ConfigError as exc:
        return [Finding("recipes", "wrong", str(exc), "inspector check FILE")]


def _promise(recipe: Recipe) -> Finding:
    """A promise that does not hold is no fault of the machine, and the fail-safe serves in its place."""
    bundle, asked = read_bundle(recipe.bundle), recipe.certified_miss_rate
    kept = asked is None or covering(bundle, asked) is not None
    remedy = "" if kept else "train with more independent defects, or raise certified_miss_rate"
    return Finding(f"misses, {recipe.name}", "ok" if kept else "optional", promise_words(recipe, bundle), remedy)
