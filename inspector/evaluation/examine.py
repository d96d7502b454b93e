"""Examines pieces of a manifest with the serving code: all experts, any part of them, and as routed.

Knows no figures: it hands on scores and costs per piece.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fusion.calibration import Scores, probability
from fusion.policy import wanted
from inspector.bundle.load import load
from inspector.decision import Limits, Ruling, decide
from inspector.engines.engine import EngineSettings
from inspector.evaluation.observations import observe
from inspector.examination import Examination
from inspector.manifest import PieceRow
from inspector.model import Model, open_model

Experts = frozenset[str]


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

    def able(self, modalities: Sequence[str]) -> list[Experts]:
        """Per piece, the experts of these modalities that had something to look at."""
        names = {expert.name for expert in self.model.schema.experts if expert.modality in modalities}
        return [frozenset(looks) & names for looks in self._seen.looks]

    def scores(self, ran: Sequence[Experts]) -> Scores:
        """Calibrated defect scores had only these experts run, per piece; NaN where none did."""
        asked = [(index, experts) for index, experts in enumerate(ran) if experts]
        result = np.full(len(ran), np.nan)
        for (index, experts), fused in zip(asked, self._seen.fuse_parts(asked), strict=True):
            calibration = self.model.calibrations[experts]
            if fused is not None:
                result[index] = probability(float(fused.logits[0]), calibration.temperature, calibration.bias)
        return result

    def present(self, index: int) -> frozenset[str]:
        """Modalities that a piece has."""
        return self._seen.present[index]

    def scouts(self) -> list[Experts]:
        """Per piece, the scouts that had something to look at."""
        scouts = {expert.name for expert in self.model.schema.experts if expert.scout}
        return [experts & scouts for experts in self.able([m.name for m in self.model.schema.modalities])]

    def limits(self, experts: Experts) -> Limits | None:
        """The bundle's for these experts; None where it has no calibration for them."""
        calibration = self.model.calibrations.get(experts)
        return None if calibration is None else Limits(calibration.pass_below, calibration.fail_above)

    def routed(self) -> list[Experts]:
        """Per piece, the experts that the bundle's policy runs."""
        schema, first = self.model.schema, self.scouts()
        return [
            ran
            | frozenset(
                wanted(schema.policy, schema.experts, self._seen.present[index], None if np.isnan(score) else score)
            )
            for index, (ran, score) in enumerate(zip(first, self.scores(first), strict=True))
        ]

    def rulings(self, ran: Sequence[Experts]) -> list[Ruling]:
        """Decisions by the bundle's limits, every modality required."""
        return [self._ruling(experts, score) for experts, score in zip(ran, self.scores(ran), strict=True)]

    def _ruling(self, experts: Experts, score: float) -> Ruling:
        schema = self.model.schema
        seen = {expert.modality for expert in schema.experts if expert.name in experts}
        lacks = {modality.name for modality in schema.modalities} - seen
        return decide(None if np.isnan(score) else float(score), self.limits(experts), lacks)


def open_bundle(folder: Path) -> Model:
    """On ONNX Runtime with one thread: the reference."""
    return open_model(load(folder), EngineSettings("onnx", threads=1))
