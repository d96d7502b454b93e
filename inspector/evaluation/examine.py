"""Examines pieces of a manifest with the serving code: all experts, any part of them, and as a policy routes them.

Knows no figures: it hands on scores and costs per piece.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fusion.calibration import Scores, probability
from fusion.scored import ExpertSet
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Expert, Policy
from inspector.engines.engine import EngineSettings
from inspector.evaluation.observations import observe, without
from inspector.examination import Examination, Strict
from inspector.manifest import PieceRow
from inspector.model import Model, open_model
from inspector.recipe.demanding import demanding_recipe
from inspector.routing import Finding, route
from streams.observation import Observation

MAX_BATCH = 16


class Examined:
    """Pieces that every expert has looked at, one by one on one thread; the head is asked about any part of that."""

    def __init__(
        self, model: Model, root: Path, rows: Sequence[PieceRow], progress: Callable[[int, int], None]
    ) -> None:
        self.model, self.rows = model, tuple(rows)
        self._seen = Examination(model, [observe(root, row) for row in rows], max_batch=1)
        self.cpu_s: list[dict[str, float]] = [{} for _ in rows]
        """Per piece, preparation included, by expert."""
        for index in range(len(rows)):
            for expert in model.schema.experts:
                if expert.modality in self._seen.present[index]:
                    start = time.process_time()
                    self._seen.look(expert, [index])
                    self.cpu_s[index][expert.name] = time.process_time() - start
            progress(index + 1, len(rows))

    def expert_logits(self, name: str) -> Scores:
        """Defect log-odds of one expert alone; NaN where it had nothing to look at."""
        looks = [looks.get(name) for looks in self._seen.looks]
        return np.array([np.nan if look is None else look.defect_logit for look in looks])

    def able(self, modalities: Sequence[str]) -> list[ExpertSet]:
        """Per piece, the experts of these modalities that had something to look at."""
        names = {expert.name for expert in self.model.schema.experts if expert.modality in modalities}
        return [frozenset(looks) & names for looks in self._seen.looks]

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
        asked = [(i, own) for i, own in enumerate(ran) if own and own <= self._seen.looks[i].keys()]
        result = np.full(len(ran), np.nan)
        for (index, _), fused in zip(asked, self._seen.fuse_parts(asked), strict=True):
            if fused is not None:
                result[index] = fused.logits[0]
        return result

    def present(self, index: int) -> frozenset[str]:
        """Modalities that a piece has."""
        return self._seen.present[index]

    def scouts(self) -> list[ExpertSet]:
        """Per piece, the scouts that had something to look at."""
        scouts = {expert.name for expert in self.model.schema.experts if expert.scout}
        return [experts & scouts for experts in self.able([m.name for m in self.model.schema.modalities])]

    def routed(self, policy: Policy, removed: str | None = None) -> tuple[list[ExpertSet], list[Finding]]:
        """What a policy runs on each piece and what is found, by the service's own routing; all modalities required.

        As if the modality `removed` had never arrived.
        """
        replay = Replay(self._seen, with_policy(self.model, policy), removed)
        findings = route(replay, [demanding_recipe(self.model)] * len(self.rows))
        return [replay.ran(row) for row in range(len(self.rows))], findings


class Replay(Examination):
    """An examination whose experts answer what they answered before: routing can be tried without computing again."""

    def __init__(self, seen: Examination, model: Model, removed: str | None = None) -> None:
        pieces = seen.pieces if removed is None else [without(piece, removed) for piece in seen.pieces]
        super().__init__(model, pieces, MAX_BATCH)
        self._seen = seen

    def _believed(self, schema: Bundle, pieces: Sequence[Observation], strictness: Strict) -> Sequence[Observation]:
        """They were checked by the examination that is replayed."""
        return pieces

    def look(self, expert: Expert, rows: Sequence[int]) -> None:
        for row in rows:
            if expert.name not in self._seen.costs_ms[row]:  # Nobody looked beside images that are all implausible.
                self._seen.look(expert, [row])
            self.costs_ms[row][expert.name] = self._seen.costs_ms[row][expert.name]
            if expert.name in self._seen.looks[row]:
                self.looks[row][expert.name] = self._seen.looks[row][expert.name]
            else:
                self.failed.add(row)


def with_policy(model: Model, policy: Policy) -> Model:
    schema = model.schema.model_copy(update={"policy": policy})
    return replace(model, bundle=replace(model.bundle, schema=schema))


def open_bundle(folder: Path) -> Model:
    """On ONNX Runtime with one thread: the reference."""
    return open_model(load(folder), EngineSettings("onnx", threads=1))
