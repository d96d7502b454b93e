"""Counts good recordings of test splits that are implausible, over several splits of a set, and times the check."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scipy.stats import beta

from encoders.front_end import prepare_clip, prepare_image
from inspector.bundle.schema import Bundle, ImageInput, Modality, SignalInput
from inspector.dataset.files import sources_of
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import PieceRow, read_manifest
from inspector.evaluation.observations import observe
from inspector.plausibility.limits import Strictness
from inspector.plausibility.sources import Kept, believed, watcher
from inspector.training.plausibility import with_plausibility
from streams.observation import Observation, State

_COLUMNS = (
    "set",
    "source",
    "limits from",
    "good, not believed",
    "of groups",
    "95 % of groups",
    "defective, not believed",
    "ms",
)
HEADER = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


@dataclass
class Tally:
    """Over splits; recordings count in each in which they are tested, groups once."""

    good: int = 0
    doubted: int = 0
    groups: set[str] = field(default_factory=set)
    doubted_groups: set[str] = field(default_factory=set)
    defective: int = 0
    doubted_defective: int = 0


def alarms(name: str, schema: Bundle, manifests: Sequence[Path]) -> Iterator[str]:
    """A line per source. The first manifest is the one of the bundle; for the others limits are learned again,
    from their training split, for the same experts."""
    schemas = [schema, *(_relearned(schema, manifest) for manifest in manifests[1:])]
    for modality in schema.modalities:
        tally = Tally()
        for seed_schema, manifest in zip(schemas, manifests, strict=True):
            _count(seed_schema, modality, manifest, tally)
        cells = [
            name,
            modality.name,
            _limits(modality),
            f"{tally.doubted} of {tally.good}",
            f"{len(tally.doubted_groups)} of {len(tally.groups)}",
            interval(len(tally.doubted_groups), len(tally.groups)),
            f"{tally.doubted_defective} of {tally.defective}",
            f"{_cost_ms(schema, manifests[0], modality.name):.3f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _relearned(schema: Bundle, manifest: Path) -> Bundle:
    rows = read_manifest(manifest, "train")
    return schema.model_copy(
        update={"modalities": with_plausibility(manifest.parent, rows, schema.modalities, schema.experts)}
    )


def _count(schema: Bundle, modality: Modality, manifest: Path, tally: Tally) -> None:
    rows = read_manifest(manifest, "test")
    for label in ("ok", "nok"):
        recordings = _recordings(rows, modality, label)
        hits = doubted(schema, [observe(manifest.parent, row) for row in recordings], modality.name)
        if label == "nok":
            tally.defective += len(hits)
            tally.doubted_defective += sum(hits)
            continue
        tally.good += len(hits)
        tally.doubted += sum(hits)
        groups = [own_group(row, modality) for row in recordings]
        tally.groups.update(groups)
        tally.doubted_groups.update(group for group, hit in zip(groups, hits, strict=True) if hit)


def _recordings(rows: Sequence[PieceRow], modality: Modality, label: str) -> list[PieceRow]:
    """One row per distinct recording with this label."""
    rows_by_path: dict[str, PieceRow] = {}
    for row in rows:
        sources = sources_of(row, modality.name)
        if sources and (own_label(row, modality) or row.label) == label:
            rows_by_path.setdefault(sources[0].path, row)
    return list(rows_by_path.values())


def doubted(schema: Bundle, pieces: Sequence[Observation], modality: str) -> list[bool]:
    """Per piece, whether this camera or sensor is not believed."""
    marked = believed(schema, pieces, [{}] * len(pieces), Kept())
    return [(piece.views.get(modality) or piece.clips[modality]).state is State.IMPLAUSIBLE for piece in marked]


def interval(hits: int, num: int) -> str:
    """Clopper and Pearson's, at 95 %."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, num - hits + 1))
    high = 1.0 if hits == num else float(beta.ppf(0.975, hits + 1, num - hits))
    return f"{low:.2%} to {high:.2%}"


def _limits(modality: Modality) -> str:
    limits = modality.plausibility
    return "none" if limits is None else f"{limits.recordings} of {limits.groups} groups"


def _cost_ms(schema: Bundle, manifest: Path, modality: str) -> float:
    """Cost per piece in a batch of 16, beyond the preparation that the scout needs anyway."""
    pieces = [observe(manifest.parent, row) for row in read_manifest(manifest, "test")[:16]]
    only: list[dict[str, Strictness]] = [
        dict.fromkeys({*piece.views, *piece.clips} - {modality}, "off") for piece in pieces
    ]
    expert = watcher(schema.experts, modality)
    form = None if expert is None else expert.input
    checked = _fastest_ms(lambda: believed(schema, pieces, only, Kept()))
    prepared = _fastest_ms(lambda: [_prepare(piece, modality, form) for piece in pieces])
    return (checked - prepared) / len(pieces)


def _prepare(piece: Observation, modality: str, form: ImageInput | SignalInput | None) -> object:
    if isinstance(form, ImageInput):
        return prepare_image(piece.views[modality].images[0], form)
    if form is not None and (samples := piece.clips[modality].samples) is not None:
        return prepare_clip(samples, piece.clips[modality].sample_rate_hz, form)
    return None


def _fastest_ms(work: Callable[[], object]) -> float:
    """Fastest of thirty runs, in processor time, which other work on the machine changes little."""
    times = []
    for _ in range(30):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) * 1e3
