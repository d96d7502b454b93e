"""Examines pieces of a manifest with the serving code: all experts, any subset of them, and as a policy routes them.

Returns scores and costs per piece; computes no figures.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fusion.calibration import Scores, probability
from fusion.scored import ExpertSet
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Expert, Policy
from inspector.dataset.manifest import PieceRow
from inspector.dataset.progress import Count, uncounted
from inspector.engines.engine import EngineSettings
from inspector.evaluation.observations import arrivals
from inspector.evaluation.recipes import recipe_for
from inspector.framing.placement import Placement
from inspector.inference.batching import MAX_BATCH
from inspector.inference.examination import Examination, Strict
from inspector.inference.model import Model, open_model
from inspector.judging.class_scores import primary_of
from inspector.judging.routed_judge import RoutedJudge
from inspector.judging.routing import RoutedResult
from inspector.recipe.decision import DecisionResult, Limits
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation, State


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A piece with all that there is to show of it."""

    piece: Observation
    verdict: pb.Verdict
    """With evidence."""
    images: Mapping[str, int]
    """By camera, the index of the image that the evidence is about."""


class Examined:
    """Pieces that every expert has examined, one by one on one thread; the head fuses any subset of the outputs."""

    def __init__(
        self,
        model: Model,
        root: Path,
        rows: Sequence[PieceRow],
        progress: Count,
        recipe: Recipe | None = None,
        reading: Count = uncounted,
    ) -> None:
        """By default, a recipe that requires everything of every piece: see `recipe_for`. `progress` counts the pieces
        that were examined, `reading` before that those that were read. Raises ManifestError, RecordingError."""
        self.model, self.rows = model, tuple(rows)
        self.recipe = recipe or recipe_for(model, rows, None)
        self._arrivals = arrivals(root, rows, reading)
        pieces = [piece.observed(self.recipe) for piece in self._arrivals]
        self._seen = Examination(model, pieces, 1, [self.recipe.plausibility] * len(pieces))
        self.cpu_s: list[dict[str, float]] = [{} for _ in rows]
        """Per piece, preparation included, by expert."""
        for index in range(len(rows)):
            for expert in model.schema.experts:
                if expert.modality in self._seen.present[index]:
                    start = time.process_time()
                    self._seen.run_expert(expert, [index])
                    self.cpu_s[index][expert.name] = time.process_time() - start
            progress(index + 1, len(rows))

    def expert_logits(self, name: str) -> Scores:
        """Defect log-odds of one expert alone; NaN where it had nothing to examine."""
        looks = [looks.get(name) for looks in self._seen.expert_outputs]
        return np.array([np.nan if look is None else look.defect_logit for look in looks])

    def able(self, modalities: Sequence[str]) -> list[ExpertSet]:
        """Per piece, the experts of these modalities that had something to examine."""
        names = {expert.name for expert in self.model.schema.experts if expert.modality in modalities}
        return [frozenset(looks) & names for looks in self._seen.expert_outputs]

    def scores(self, ran: Sequence[ExpertSet]) -> Scores:
        """Calibrated defect scores had only these experts run, per piece; NaN where none did."""
        result = self.logits(ran)
        for index, experts in enumerate(ran):
            if not np.isnan(result[index]):
                calibration = self.model.calibrations[experts]
                result[index] = probability(float(result[index]), calibration.temperature, calibration.bias)
        return result

    def logits(self, ran: Sequence[ExpertSet]) -> Scores:
        """The head's defect log-odds before calibration; NaN where none of these experts, or not all, could run."""
        runnable = [
            (i, experts) for i, experts in enumerate(ran) if experts and experts <= self._seen.expert_outputs[i].keys()
        ]
        result = np.full(len(ran), np.nan)
        for (index, _), fused in zip(runnable, self._seen.fuse_parts(runnable), strict=True):
            if fused is not None:
                result[index] = fused.logits[0]
        return result

    def present(self, index: int) -> frozenset[str]:
        """Modalities that a piece has."""
        return self._seen.present[index]

    def scouts(self) -> list[ExpertSet]:
        """Per piece, the scouts that had something to examine."""
        scouts = {expert.name for expert in self.model.schema.experts if expert.scout}
        return [experts & scouts for experts in self.able([m.name for m in self.model.schema.modalities])]

    def verdicts(self, policy: Policy, removed: str | None = None) -> list[pb.Verdict]:
        """The service's verdict on each piece, as if the modality `removed` had never arrived."""
        pieces: Sequence[Observation] = self._seen.pieces
        if removed is not None:
            pieces = [piece.observed(self.recipe, removed) for piece in self._arrivals]
        judge = ReplayJudge(self._seen, self.recipe, with_policy(self.model, policy))
        return judge.judge(pieces)

    def shown(self, index: int) -> Shown:
        """One piece as the bundle judges it, with evidence whatever the decision is."""
        recipe = self.recipe.model_copy(update={"evidence": "always"})
        piece = self._seen.pieces[index]
        (verdict,) = ReplayJudge(self._seen, recipe, self.model).judge([piece])
        ran = experts_of(verdict)
        outputs = self._seen.expert_outputs[index]
        primaries = [primary_of(self.model.schema.experts, ran & outputs.keys(), name) for name in piece.views]
        return Shown(piece, verdict, {e.modality: outputs[e.name].image for e in primaries if e is not None})

    def routed(self, policy: Policy, removed: str | None = None) -> tuple[list[ExpertSet], list[RoutedResult]]:
        """The same as sets of experts that ran and their findings; none ran on a rejected piece."""
        verdicts = self.verdicts(policy, removed)
        return [experts_of(verdict) for verdict in verdicts], [finding_of(verdict) for verdict in verdicts]


class Replay(Examination):
    """An examination whose experts repeat their earlier outputs: tries routing without computing again.

    `pieces` are some of those that were seen, in any order; None: all of them.
    """

    def __init__(self, seen: Examination, model: Model, pieces: Sequence[Observation] | None = None) -> None:
        self._seen = seen
        rows = {piece.inspection: row for row, piece in enumerate(seen.pieces)}
        self._rows = [*range(len(seen.pieces))] if pieces is None else [rows[piece.inspection] for piece in pieces]
        super().__init__(model, seen.pieces if pieces is None else pieces, MAX_BATCH)

    def _believed(self, schema: Bundle, pieces: Sequence[Observation], strictness: Strict) -> Sequence[Observation]:
        """The replayed examination has already checked them."""
        return [marked_as(self._seen.pieces[row], piece) for row, piece in zip(self._rows, pieces, strict=True)]

    def placement(self, row: int, camera: str, index: int) -> Placement | None:
        return self._seen.placement(self._rows[row], camera, index)

    def run_expert(self, expert: Expert, rows: Sequence[int]) -> None:
        for row in rows:
            before = self._rows[row]
            if expert.name not in self._seen.costs_ms[before]:  # No expert ran on images that are all implausible.
                self._seen.run_expert(expert, [before])
            self.costs_ms[row][expert.name] = self._seen.costs_ms[before][expert.name]
            if expert.name in self._seen.expert_outputs[before]:
                self.expert_outputs[row][expert.name] = self._seen.expert_outputs[before][expert.name]
            else:
                self.failed.add(row)


def marked_as(seen: Observation, piece: Observation) -> Observation:
    """The piece with its implausible sources marked as in the earlier examination."""
    views = {name: view for name, view in seen.views.items() if view.state is State.IMPLAUSIBLE}
    clips = {name: clip for name, clip in seen.clips.items() if clip.state is State.IMPLAUSIBLE}
    return replace(
        piece,
        views={
            name: views.get(name, view) if view.state is State.PRESENT else view for name, view in piece.views.items()
        },
        clips={
            name: clips.get(name, clip) if clip.state is State.PRESENT else clip for name, clip in piece.clips.items()
        },
    )


class ReplayJudge(RoutedJudge):
    """The service's judge over experts that have already run. Pieces have no time: none is a backlog."""

    def __init__(self, seen: Examination, recipe: Recipe, model: Model) -> None:
        super().__init__(Recipes([recipe]), {recipe.bundle: model}, MAX_BATCH, clock_ns=lambda: 0)
        self._seen = seen

    def examination(self, model: Model, pieces: Sequence[Observation], strictness: Strict) -> Examination:
        return Replay(self._seen, model, pieces)


def experts_of(verdict: pb.Verdict) -> ExpertSet:
    return frozenset(run.expert for run in verdict.experts if run.ran)


def finding_of(verdict: pb.Verdict) -> RoutedResult:
    """The verdict's result, without intermediate values."""
    return RoutedResult(
        DecisionResult(verdict.decision, verdict.reason),
        route=verdict.route,
        score=verdict.defect_score if verdict.HasField("defect_score") else None,
        limits=Limits(verdict.pass_below, verdict.fail_above) if verdict.HasField("pass_below") else None,
    )


def with_policy(model: Model, policy: Policy) -> Model:
    schema = model.schema.model_copy(update={"policy": policy})
    return replace(model, bundle=replace(model.bundle, schema=schema))


def open_bundle(folder: Path) -> Model:
    """On ONNX Runtime with one thread: the reference."""
    return open_model(load(folder), EngineSettings("onnx", threads=1))
