"""What `inspector source` and data sets need beyond the serving half."""

import importlib
from importlib.metadata import PackageNotFoundError, version

from inspector.diagnostics.finding import Finding


def source_findings() -> list[Finding]:
    """All of them are optional: a service judges without."""
    return [
        _microphone(),
        _package("source genicam", "harvesters", "in the checkout, pip install '.[genicam]'"),
        _package("TDMS files", "npTDMS", "in the checkout, pip install '.[tdms]'"),
    ]


def _package(subject: str, name: str, remedy: str) -> Finding:
    try:
        return Finding(subject, "ok", f"{name} {version(name)}")
    except PackageNotFoundError:
        return Finding(subject, "optional", f"{name} is not installed", remedy)


def _microphone() -> Finding:
    """The package alone is not enough: it needs PortAudio."""
    finding = _package("source microphone", "sounddevice", "in the checkout, pip install '.[microphone]'")
    if finding.state != "ok":
        return finding
    try:
        importlib.import_module("sounddevice")
    except OSError as exc:
        return Finding(finding.subject, "optional", str(exc), "on Linux, apt-get install libportaudio2")
    return finding
