"""Turns observations into verdicts: skips pieces that cannot be judged, routes the rest, and adds evidence.

Its only state is its budget, so that worker and gateway can share the active models.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inspector.bundle.schema import SignalInput
from inspector.engines.engine import DeviceError
from inspector.inference.batching import MAX_BATCH
from inspector.inference.examination import Examination, Strict
from inspector.inference.fallback import activate_fallback, current_model
from inspector.inference.model import Model
from inspector.judging.active_models import ActiveModels, DeployedModel, Slots, slot_for
from inspector.judging.class_scores import primary_expert
from inspector.judging.evidence import Picture, signal_evidence
from inspector.judging.framed_evidence import framed_evidence
from inspector.judging.routing import OVERLOADED, Budget, RoutedResult, route
from inspector.judging.verdict_builder import verdict_of
from inspector.recipe.decision import IMPLAUSIBLE, DecisionResult
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from inspector.verdicts.blank import blank_verdict
from protos.inspection.v1 import verdict_pb2 as pb
from streams.log_clock import LogClock
from streams.observation import CloseReason, MissingReason, Observation, State, View

Group = list[tuple[int, Recipe]]
"""Pieces that one model judges: index and recipe."""


class RoutedJudge:
    """Implements `inspector.verdicts.judge.Judge` with the models that the recipes name."""

    def __init__(
        self,
        recipes: Recipes,
        models: Mapping[Path, Model] | ActiveModels,
        max_batch: int = MAX_BATCH,
        clock_ns: Callable[[], int] = time.time_ns,
        reached_ns: Callable[[], int] | None = None,
    ) -> None:
        """`models`: those that the recipes name, by folder, or slots that change while the judge works. Pieces are
        stamped by `clock_ns`; how long they waited is counted by `reached_ns`: see `LogClock`."""
        self._active_models = models if isinstance(models, ActiveModels) else ActiveModels.from_recipes(recipes, models)
        self._recipes, self._max_batch = recipes, max_batch
        self._clock_ns, self._reached_ns = clock_ns, reached_ns or clock_ns
        self._budget, self._cost_multiplier = Budget.FULL, 1.0

    def with_own_budget(self, clock: LogClock | None = None) -> "RoutedJudge":
        """A judge over the same active models with a separate budget: overload of the line does not affect the
        gateway. It takes the time from `clock`, if there is one."""
        clock_ns, reached_ns = (clock.now_ns, clock.reached_ns) if clock else (self._clock_ns, self._reached_ns)
        return RoutedJudge(self._recipes, self._active_models, self._max_batch, clock_ns, reached_ns)

    def set_budget(self, budget: Budget) -> None:
        """Takes effect at the next call of `judge`; the worker lowers it under overload."""
        self._budget = budget

    def set_cost_multiplier(self, cost_multiplier: float) -> None:
        """Sets the factor on the price of computing from the next call of `judge` on: see `price_control`."""
        self._cost_multiplier = cost_multiplier

    def recipe(self, line: str, station: str, product: str) -> Recipe | None:
        return self._recipes.find(line, station, product)

    @property
    def slots(self) -> Slots:
        """The current slots."""
        return self._active_models.slots

    def live(self, line: str, recipe: Recipe) -> DeployedModel:
        """The live model of this recipe at this line, ignoring trials."""
        return slot_for(self._active_models.slots, line, recipe.name).live

    def judge(self, observations: Sequence[Observation]) -> list[pb.Verdict]:
        """One verdict each, in order; stamps everything but `publish_ns` and `deadline_missed`."""
        budget, now_ns, slots = self._budget, self._reached_ns(), self._active_models.slots
        verdicts: dict[int, pb.Verdict] = {}
        groups: dict[DeployedModel, Group] = {}
        for index, piece in enumerate(observations):
            recipe = self._recipes.find(piece.inspection.line, piece.inspection.station, piece.product)
            ruling = _skip_reason(piece, recipe, budget, now_ns)
            if recipe is None or ruling is not None:
                verdicts[index] = blank_verdict(piece, recipe, ruling or NO_RECIPE)
            else:
                placed = slot_for(slots, piece.inspection.line, recipe.name).judge_of(piece.inspection)
                groups.setdefault(placed, []).append((index, recipe))
        for placed, group in groups.items():
            verdicts |= self._group(placed, group, observations, budget)
        decision_ns = self._clock_ns()
        for verdict in verdicts.values():
            verdict.decision_ns = decision_ns
        return [verdicts[index] for index in range(len(observations))]

    def shadows(
        self, observations: Sequence[Observation], verdicts: Sequence[pb.Verdict]
    ) -> dict[DeployedModel, Group]:
        """The shadow models with the pieces that each is to judge: those that a live model judged. Without evidence."""
        slots = self._active_models.slots
        groups: dict[DeployedModel, Group] = {}
        for index, (piece, verdict) in enumerate(zip(observations, verdicts, strict=True)):
            recipe = self._recipes.find(piece.inspection.line, piece.inspection.station, piece.product)
            placed = None if recipe is None else slot_for(slots, piece.inspection.line, recipe.name).shadow
            if recipe is not None and placed is not None and verdict.bundle:
                plain = recipe.model_copy(update={"evidence": "never"})
                groups.setdefault(placed, []).append((index, plain))
        return groups

    def shadow(self, placed: DeployedModel, group: Group, observations: Sequence[Observation]) -> dict[int, pb.Verdict]:
        """Verdicts of one shadow, by index."""
        verdicts = self._group(placed, group, observations, self._budget)
        for verdict in verdicts.values():
            verdict.decision_ns, verdict.shadow = self._clock_ns(), True
            verdict.ClearField("inputs")  # the live verdict of the piece names them
        return verdicts

    def examination(self, model: Model, pieces: Sequence[Observation], strictness: Strict) -> Examination:
        """Runs the experts on pieces; evaluation overrides this to replay earlier outputs."""
        return Examination(model, pieces, self._max_batch, strictness)

    def _group(
        self,
        placed: DeployedModel,
        group: Group,
        observations: Sequence[Observation],
        budget: Budget,
    ) -> dict[int, pb.Verdict]:
        """Verdicts of the pieces that one model judges, by their index."""
        pieces, recipes = [observations[index] for index, _ in group], [recipe for _, recipe in group]
        verdicts = self._examine(placed.model, pieces, recipes, budget)
        for verdict in verdicts:
            verdict.deployment = placed.number
        return dict(zip((index for index, _ in group), verdicts, strict=True))

    def _examine(
        self, model: Model, pieces: Sequence[Observation], recipes: Sequence[Recipe], budget: Budget
    ) -> list[pb.Verdict]:
        """Judges again by the fallback after a device fault. Raises DeviceError: see `activate_fallback`."""
        model = current_model(model, recipes)
        try:
            return self._examine_with(model, pieces, recipes, budget)
        except DeviceError as fault:
            return self._examine_with(activate_fallback(model, recipes, fault), pieces, recipes, budget)

    def _examine_with(
        self, model: Model, pieces: Sequence[Observation], recipes: Sequence[Recipe], budget: Budget
    ) -> list[pb.Verdict]:
        examination = self.examination(model, pieces, [recipe.plausibility for recipe in recipes])
        findings = route(examination, recipes, budget, self._cost_multiplier)
        verdicts = [verdict_of(examination, row, recipes[row], findings[row]) for row in range(len(pieces))]
        rows = [row for row in range(len(pieces)) if _wants_evidence(recipes[row], findings[row])]
        _add_contributions(examination, rows, findings, verdicts)
        for row in rows:
            _add_evidence(examination, row, verdicts[row])
        return verdicts


ABORTED = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_ABORTED)
NO_RECIPE = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_NO_RECIPE)
NO_IMAGE = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_NO_IMAGE)
ID_READ_TWICE = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_ID_READ_TWICE)
BACKLOG = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_BACKLOG)


def _skip_reason(piece: Observation, recipe: Recipe | None, budget: Budget, now_ns: int) -> DecisionResult | None:
    """The reason to skip a piece; None for pieces that are judged."""
    if piece.closing is CloseReason.ABORTED:
        return ABORTED
    if recipe is None or piece.closing is CloseReason.NO_RECIPE:
        return NO_RECIPE
    if piece.is_read_twice:
        return ID_READ_TWICE
    if piece.closing is CloseReason.STATE_LIMIT:
        return OVERLOADED
    if piece.views and not any(view.images for view in piece.views.values()):
        return NO_IMAGE
    if piece.views and all(_is_worthless(view) for view in piece.views.values() if view.images):
        return IMPLAUSIBLE
    if recipe.backlog == "review" and now_ns - piece.append_ns > recipe.stale_after_s * 1e9:
        return BACKLOG
    return OVERLOADED if budget is Budget.REVIEW else None


def _is_worthless(view: View) -> bool:
    """Experts still run on a picture of another size, though it decides nothing."""
    return view.state is State.IMPLAUSIBLE and view.absence is not MissingReason.SIZE


def _wants_evidence(recipe: Recipe, finding: RoutedResult) -> bool:
    if recipe.evidence == "not_pass":
        return finding.ruling.decision != pb.DECISION_PASS
    return recipe.evidence == "always"


def _add_contributions(
    examination: Examination, rows: Sequence[int], findings: Sequence[RoutedResult], verdicts: Sequence[pb.Verdict]
) -> None:
    """Leave-one-out: the drop in log-odds without a modality. A single modality gets none."""
    experts = examination.model.schema.experts
    targets: list[tuple[int, pb.Modality]] = []
    parts: list[tuple[int, frozenset[str]]] = []
    for row in rows:
        examined = examination.examined(row)
        if findings[row].calibration is None or len(examined) < 2:
            continue
        for modality in (m for m in verdicts[row].modalities if m.name in examined):
            excluded = {expert.name for expert in experts if expert.modality == modality.name}
            targets.append((row, modality))
            parts.append((row, examination.ran(row) - excluded))
    for (row, modality), without in zip(targets, examination.fuse_parts(parts), strict=True):
        full, calibration = findings[row].fused, findings[row].calibration
        if full is not None and without is not None and calibration is not None:
            modality.contribution = float(full.logits[0] - without.logits[0]) / calibration.temperature


def _add_evidence(examination: Examination, row: int, verdict: pb.Verdict) -> None:
    """Evidence from the primary expert of each modality."""
    piece = examination.pieces[row]
    for modality in verdict.modalities:
        expert = primary_expert(examination, row, modality.name)
        if expert is None:
            continue
        look = examination.expert_outputs[row][expert.name]
        if isinstance(expert.input, SignalInput):
            evidence = signal_evidence(modality.name, look.outputs["relevance"], expert.input)
            verdict.signals.extend([evidence] if evidence else [])
        else:
            height_px, width_px = piece.views[modality.name].images[look.image].shape[:2]
            picture = Picture(modality.name, width_px, height_px)
            placement = examination.placement(row, modality.name, look.image)
            verdict.images.append(framed_evidence(picture, look.outputs["relevance"], placement))
