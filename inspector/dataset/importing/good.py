"""Which class of a data set counts as good."""

from collections.abc import Collection, Mapping, Sequence

from inspector.dataset.importing.items import DataImportError
from inspector.dataset.manifest import Label

_GOOD = {"good", "ok", "okay", "pass", "normal", "healthy", "io", "i.o.", "gut", "nominal", "no_defect", "no defect"}
_NAMELESS = {"nok", "bad", "defect", "defective", "fail", "ng", "nio", "anomaly", "anomalous"}
"""These say that a piece is defective, not how."""
_UNKNOWN = {"", "unknown", "unlabelled", "unlabeled", "?"}


def good_classes(counts: Mapping[str, int], given: Sequence[str]) -> frozenset[str]:
    """The classes that count as good: those given, or the one whose name says so. Raises DataImportError."""
    missing = [name for name in given if name not in counts]
    known = ", ".join(f"{name} ({num})" for name, num in sorted(counts.items())) or "none"
    if missing:
        raise DataImportError(f"no class is called {', '.join(missing)}; classes are {known}")
    if given:
        return frozenset(given)
    likely = [name for name in counts if name.strip().lower() in _GOOD]
    if len(likely) == 1:
        return frozenset(likely)
    if not likely:
        raise DataImportError(f"no class is called good or ok: say with --good NAME which one counts as good: {known}")
    raise DataImportError(f"{', '.join(likely)} may all be good: say with --good NAME (repeatable) which are: {known}")


def labelled(name: str, good: Collection[str]) -> tuple[Label, tuple[str, ...]]:
    """Label and classes of a piece of this class."""
    if name in good:
        return "ok", ()
    if name.strip().lower() in _UNKNOWN:
        return "unknown", ()
    return "nok", () if name.strip().lower() in _NAMELESS else (name,)
