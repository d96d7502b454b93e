"""Checks which of the product's requirements this machine meets. Starts no engine and changes nothing."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from inspector.bundle.load import BundleError, load
from inspector.config.service import ServiceConfig, load_service, load_service_config
from inspector.config.tables import KafkaTable, WorkerTable
from inspector.diagnostics.finding import Finding as Finding
from inspector.diagnostics.kafka_cluster import kafka_findings
from inspector.diagnostics.source_packages import source_findings
from inspector.engines.choice import Option, options
from inspector.engines.cores import usable_cores
from inspector.engines.engine import EngineError, EngineSettings
from inspector.engines.tensorrt.device import find_device
from inspector.engines.tensorrt.gpu_api import GpuApi
from inspector.engines.tensorrt.runtime import load_api
from inspector.recipe.compatibility import read_bundle
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe
from inspector.recipe.thresholds import covering, promise_words
from streams.references.addresses import install_hint, missing_package

_NEEDED_MEMORY_MIB = 1024


def examine(config: Path | None = None, bundle: Path | None = None) -> list[Finding]:
    """All findings; with a configuration also whether its log is reachable, and the engines of its bundles."""
    findings = [_python(), _cores(), _memory(), _sqlite(), _openssl(), *_engines(), _training(), *source_findings()]
    findings += [_java(), _maven()]
    if bundle is not None:
        findings += bundle_findings(bundle, WorkerTable().engine_preferences)
    return findings if config is None else [*findings, *_configuration(config)]


def bundle_findings(
    folder: Path, wishes: Sequence[EngineSettings], gpu: Callable[[], GpuApi] = load_api
) -> list[Finding]:
    """The engines in the service's order of preference: it uses the first that is ok."""
    try:
        engines = options(load(folder), wishes, gpu)
    except BundleError as exc:
        return [Finding(f"bundle {folder.name}", "wrong", str(exc), "put a complete bundle there")]
    chosen = next((option for option in engines if not option.why_not), None)
    table = [_option(folder, option, is_chosen=option is chosen) for option in engines]
    if chosen is None:
        remedy = 'add "onnx/fp32", which runs every bundle, to [worker] engines'
        table.append(Finding(f"bundle {folder.name}", "wrong", "none of the engines runs it here", remedy))
    return table


def _option(folder: Path, option: Option, *, is_chosen: bool) -> Finding:
    subject = f"{folder.name} in {option.settings}"
    if option.why_not:
        return Finding(subject, "optional", *_split(option.why_not))
    return Finding(subject, "ok", "runs here and is used" if is_chosen else "runs here")


def _python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}")


def _cores() -> Finding:
    return Finding("processor cores", "ok", f"{usable_cores()} usable, {platform.machine()}")


def _memory() -> Finding:
    limit_mib = _memory_mib()
    if limit_mib is None:
        return Finding("memory", "ok", "not known on this system")
    if limit_mib < _NEEDED_MEMORY_MIB:
        return Finding("memory", "wrong", f"{limit_mib} MiB", f"give it {_NEEDED_MEMORY_MIB} MiB at least")
    return Finding("memory", "ok", f"{limit_mib} MiB")


def _memory_mib() -> int | None:
    """The machine's memory or the container's limit, whichever is less."""
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
    """Splits the message of an engine into problem and remedy."""
    problem, _, remedy = why_not.partition("; ")
    return problem, remedy


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
    output = (done.stdout or done.stderr).strip().splitlines()
    return Finding(subject, "ok", click.unstyle(output[0]) if output else path)


def _configuration(path: Path) -> list[Finding]:
    try:
        config = load_service_config(path)
    except ConfigError as exc:
        return [Finding("configuration", "wrong", str(exc), "inspector check FILE")]
    return [*_promises(path), *_bundles(path, config), *_log(path, config), *_references(config)]


def _bundles(path: Path, config: ServiceConfig) -> list[Finding]:
    try:
        folders = sorted({recipe.bundle for recipe in load_service(path).recipes})
    except ConfigError:
        return []  # Reported with the recipes.
    return [finding for folder in folders for finding in bundle_findings(folder, config.worker.engine_preferences)]


def _log(path: Path, config: ServiceConfig) -> list[Finding]:
    if isinstance(config.log, KafkaTable):
        return kafka_findings(path, config, config.log.bootstrap_servers)
    folder = next(parent for parent in config.log.path.parents if parent.exists())
    if os.access(folder, os.W_OK):
        return [Finding("log file", "ok", f"{shutil.disk_usage(folder).free // 2**20} MiB free below {folder}")]
    return [Finding("log file", "wrong", f"{folder} cannot be written", "give this user the right or change log.path")]


def _references(config: ServiceConfig) -> list[Finding]:
    """Whether the packages that read the allowed prefixes are installed. Does not contact the stores."""
    findings = []
    for prefix in config.references.allowed_prefixes:
        if package := missing_package(prefix):
            findings.append(
                Finding(f"images below {prefix}", "wrong", f"{package} is not installed", install_hint(package))
            )
        else:
            findings.append(Finding(f"images below {prefix}", "ok", "can be read"))
    return findings


def _promises(path: Path) -> list[Finding]:
    try:
        return [_promise(recipe) for recipe in load_service(path).recipes]
    except ConfigError as exc:
        return [Finding("recipes", "wrong", str(exc), "inspector check FILE")]


def _promise(recipe: Recipe) -> Finding:
    """A missing certificate is only `optional`: it is no fault of the machine, and the service uses safe thresholds."""
    bundle, rate = read_bundle(recipe.bundle), recipe.certified_miss_rate
    is_certified = rate is None or covering(bundle, rate) is not None
    remedy = "" if is_certified else "train with more independent defects, or raise certified_miss_rate"
    return Finding(
        f"misses, {recipe.name}", "ok" if is_certified else "optional", promise_words(recipe, bundle), remedy
    )
