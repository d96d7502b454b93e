"""Judges kept pieces again, with the bundle and engine that judged them, and compares the verdicts.

Times, costs and the records' places are not compared. Micro-batches are of other sizes than on the line, so scores may
differ in their last bits.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import Message

from inspector.archive.find import Archive
from inspector.archive.recordings.inputs import JudgedInputs
from inspector.archive.recordings.kept_inputs import KeptInputs
from inspector.bundle.load import DIGEST_DIGITS, BundleError, LoadedBundle, load
from inspector.bundle.store import BundleStore
from inspector.config.service import Service
from inspector.engines.engine import EngineError, EngineSettings
from inspector.inference.opening import open_best
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from protos.inspection.v1.verdict_pb2 import (
    DECISION_REASON_ABORTED,
    DECISION_REASON_ID_READ_TWICE,
    DECISION_REASON_IMPLAUSIBLE,
    DECISION_REASON_NO_IMAGE,
    DecisionReason,
    ImageRegion,
    Verdict,
)
from streams.observation import Observation

TOLERANCE = 1e-6
"""Of scores and shares."""
BATCH = 16
EVER_S = 1e12


BY_RULE = {
    DECISION_REASON_NO_IMAGE,
    DECISION_REASON_IMPLAUSIBLE,
    DECISION_REASON_ABORTED,
    DECISION_REASON_ID_READ_TWICE,
}
"""Reasons that follow from the piece alone. Others without a model (overload, backlog) depend on the moment."""


class NotJudgeableError(Exception):
    """These verdicts cannot be made again here; the message says why."""


class Setup(NamedTuple):
    """The bundle and engine of a verdict."""

    recipe: str
    version: str
    bundle: str
    digest: str
    engine: str


@dataclass(frozen=True, slots=True)
class Again:
    """A verdict that was made again."""

    key: int
    piece: str
    differences: tuple[str, ...]
    """Empty where both verdicts say the same."""
    score_difference: float
    is_bit_equal: bool
    """Whether all scores are the very same numbers."""


@dataclass(slots=True)
class Report:
    """What judging again has shown."""

    verdicts: list[Again] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    """By key of the verdict, why it was not made again."""

    @property
    def different(self) -> list[Again]:
        return [again for again in self.verdicts if again.differences]

    @property
    def num_bit_equal(self) -> int:
        return sum(again.is_bit_equal for again in self.verdicts)

    @property
    def largest_score_difference(self) -> float:
        return max((again.score_difference for again in self.verdicts), default=0.0)


class Judges:
    """Opens the judge for a setup, each once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._recipes: Mapping[str, Recipe] = {recipe.name: recipe for recipe in service.recipes}
        self._opened: dict[Setup, RoutedJudge | str] = {}

    def judge_of(self, setup: Setup) -> RoutedJudge:
        """Raises NotJudgeableError."""
        if setup not in self._opened:
            try:
                self._opened[setup] = self._open(setup)
            except (BundleError, EngineError, NotJudgeableError) as error:
                self._opened[setup] = str(error)
        judge = self._opened[setup]
        if isinstance(judge, str):
            raise NotJudgeableError(judge)
        return judge

    def _open(self, setup: Setup) -> RoutedJudge:
        recipe = self._recipes.get(setup.recipe)
        if recipe is None or recipe.version != setup.version:
            have = "none of this name" if recipe is None else f"version {recipe.version!r}"
            raise NotJudgeableError(
                f"recipe {setup.recipe!r} of version {setup.version!r} is not configured here, but {have}"
            )
        worker = self._service.config.worker
        engines = [EngineSettings.parse(setup.engine, worker.threads)] if setup.engine else worker.engine_preferences
        model = open_best(bundle := self._bundle(setup, recipe), engines)
        changes = {"bundle": bundle.folder, "backlog": "judge", "stale_after_s": EVER_S}
        recipe = recipe.model_copy(update=changes)
        return RoutedJudge(Recipes([recipe]), {recipe.bundle: model}, worker.max_batch)

    def _bundle(self, setup: Setup, recipe: Recipe) -> LoadedBundle:
        """The recipe's bundle, or one that was deployed; any where none was asked."""
        if not setup.digest:
            return load(recipe.bundle)
        for folder in (recipe.bundle, *self._stored(setup.digest)):
            bundle = load(folder)
            if bundle.digest[:DIGEST_DIGITS] == setup.digest:
                return bundle
        raise NotJudgeableError(
            f"bundle {setup.bundle!r} with digest {setup.digest} is neither the recipe's nor in {self._service.bundles}"
        )

    def _stored(self, digest: str) -> list[Path]:
        folder = self._service.bundles
        return [folder / name for name in BundleStore(folder).bundles() if name.endswith(f"-{digest}")]


def judge_again(keys: Iterable[int], archive: Archive, kept: KeptInputs, judges: Judges) -> Report:
    """Raises StoreError, ObjectStoreError, NotInArchiveError, BodyError."""
    report = Report()
    left = iter(keys)
    while some := list(islice(left, BATCH)):
        pieces: dict[Setup, list[tuple[int, Verdict, Observation]]] = {}
        for key in some:
            verdict = archive.verdict(key)
            reason = _reason_to_skip(verdict, judged := kept.read_of(key, verdict))
            if reason:
                report.skipped[key] = reason
            else:
                pieces.setdefault(setup_of(verdict), []).append((key, verdict, judged.observation))
        for setup, group in pieces.items():
            try:
                report.verdicts += _again(group, judges.judge_of(setup))
            except NotJudgeableError as error:
                report.skipped |= {key: str(error) for key, _, _ in group}
    return report


def setup_of(verdict: Verdict) -> Setup:
    return Setup(verdict.recipe, verdict.recipe_version, verdict.bundle, verdict.bundle_digest, verdict.engine)


def _reason_to_skip(verdict: Verdict, judged: JudgedInputs) -> str:
    if not verdict.bundle and verdict.reason not in BY_RULE:
        return f"no model judged it ({DecisionReason.Name(verdict.reason)})"
    if not judged.is_whole:
        missing = judged.missing[0]
        return f"{missing.source}: {missing.why.value} ({missing.detail})"
    return ""


def _again(group: Sequence[tuple[int, Verdict, Observation]], judge: RoutedJudge) -> Iterator[Again]:
    verdicts = judge.judge([piece for _, _, piece in group])
    for (key, before, _), after in zip(group, verdicts, strict=True):
        yield compare(key, before, after)


def compare(key: int, before: Verdict, after: Verdict) -> Again:
    """Ignores times, costs, deployment and the records' places."""
    exact = {name: (one, other) for name, (one, other) in _exact(before, after).items() if one != other}
    scores = list(_scores(before, after))
    apart = [f"{name}: {one} then, {other} now" for name, one, other in scores if not _is_close(one, other)]
    differences = [f"{name}: {one} then, {other} now" for name, (one, other) in exact.items()]
    largest = max((abs(one - other) for _, one, other in scores if one is not None and other is not None), default=0.0)
    is_equal = all(one == other for _, one, other in scores)
    return Again(key, before.inspection.piece_id, (*differences, *apart), largest, is_equal and not exact)


def _exact(before: Verdict, after: Verdict) -> dict[str, tuple[object, object]]:
    pairs: dict[str, tuple[object, object]] = {
        name: (getattr(before, name), getattr(after, name))
        for name in ("decision", "reason", "recipe", "bundle_digest", "engine", "route", "product", "capture_ns")
    }
    pairs["modalities"] = _states(before), _states(after)
    pairs["experts"] = _runs(before), _runs(after)
    pairs["evidence"] = _evidence(before), _evidence(after)
    return pairs


def _states(verdict: Verdict) -> list[tuple[object, ...]]:
    return [(m.name, m.kind, m.state, m.reason, m.coverage, m.detail) for m in verdict.modalities]


def _runs(verdict: Verdict) -> list[tuple[object, ...]]:
    return [(run.expert, run.ran, run.why) for run in verdict.experts]


def _evidence(verdict: Verdict) -> list[tuple[object, ...]]:
    images = [(image.camera, *map(_box, image.regions)) for image in verdict.images]
    return [*images, *((signal.sensor, signal.start_s, signal.end_s) for signal in verdict.signals)]


def _box(region: ImageRegion) -> tuple[int, int, int, int]:
    return region.x_px, region.y_px, region.width_px, region.height_px


def _scores(before: Verdict, after: Verdict) -> Iterator[tuple[str, float | None, float | None]]:
    one, other = _scores_of(before), _scores_of(after)
    for name in one.keys() | other.keys():
        yield name, one.get(name), other.get(name)


def _scores_of(verdict: Verdict) -> dict[str, float]:
    scores = _set_fields(verdict, "", ("defect_score", "pass_below", "fail_above"))
    for entry in verdict.classes:
        scores |= _set_fields(entry, f"class {entry.name} ", ("probability", "raw_score"))
    for modality in verdict.modalities:
        names = ("gate_weight", "defect_score", "raw_defect_score", "contribution")
        scores |= _set_fields(modality, f"{modality.name} ", names)
    return scores


def _set_fields(message: Message, prefix: str, names: Sequence[str]) -> dict[str, float]:
    return {prefix + name: getattr(message, name) for name in names if message.HasField(name)}


def _is_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
