"""A folder of recordings whose names say what they are, by a regular expression with named groups."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from inspector.dataset.importing.good import good_classes, labelled
from inspector.dataset.importing.grouping import compiled
from inspector.dataset.importing.items import DataImportError, Item, recordings_below

_SPECIAL = ("label", "piece", "sensor", "camera", "product")
"""All other names are groups."""


def named_files(source: Path, pattern: str, good: Sequence[str], skipped: list[Path]) -> Iterator[Item]:
    """The pattern matches the name without its suffix, or the path below `source` without it. Adds files that it does
    not match to `skipped`. Raises DataImportError."""
    expression = compiled(pattern, "--pattern")
    if not expression.groupindex:
        raise DataImportError(
            f"--pattern {pattern!r} names nothing: name its parts, such as (?P<label>\\w+) and (?P<lot>\\d+); "
            f"{', '.join(_SPECIAL)} have a meaning, other names are groups"
        )
    matched: list[tuple[Path, dict[str, str]]] = []
    for path in recordings_below(source):
        relative = path.relative_to(source).with_suffix("").as_posix()
        match = expression.fullmatch(path.stem) or expression.fullmatch(relative)
        if match is None:
            skipped.append(path)
        else:
            matched.append((path, {name: value for name, value in match.groupdict().items() if value is not None}))
    if not matched:
        example = skipped[0].relative_to(source).with_suffix("").as_posix()
        raise DataImportError(f"{source}: no file matches --pattern {pattern!r}, such as {example}; correct it")
    counts = Counter(parts["label"] for _, parts in matched if "label" in parts)
    chosen = good_classes(counts, good) if counts else frozenset[str]()
    for path, parts in matched:
        label, defects = labelled(parts.get("label", ""), chosen)
        groups = {name: value for name, value in parts.items() if name not in _SPECIAL}
        source_name = parts.get("sensor", parts.get("camera"))
        yield Item(path, label, defects, parts.get("piece"), source_name, groups, product=parts.get("product", ""))
