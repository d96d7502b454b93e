"""Contents of reports made by hand, without a bundle."""

from collections.abc import Sequence

import cv2
import numpy as np

from inspector.bundle.schema import Calibration, LimitEvidence
from inspector.dataset.manifest import PieceRow
from inspector.evaluation.class_figures import ClassReport, JudgedPiece, class_report
from inspector.evaluation.dominance import Dominance, ModalityShare
from inspector.evaluation.outcomes import outcome_of
from inspector.evaluation.run import Shown
from inspector.recipe.decision import Limits
from inspector.report.content import ChoiceRow, Content, ReportedPiece, ScoreCurve, labels_of
from inspector.report.worst import named_in, worst
from inspector.statistics.bootstrap import Interval
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Clip, InspectionId, Observation, State, from_files

LIMITS = Limits(0.1, 0.9)
DECISIONS = {"PASS": pb.DECISION_PASS, "FAIL": pb.DECISION_FAIL, "REVIEW": pb.DECISION_REVIEW}
HOSTILE = "</title><script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>\u202egnp"
"""A name that begins markup, ends attributes, asks for the network, and turns the direction of writing."""


def reported(
    piece_id: str, score: float | None, *defects: str, lot: str = "", label: str = "", reason: str = "UNCERTAIN"
) -> ReportedPiece:
    """Decided by `LIMITS`; defective where it has defects, or by `label`."""
    is_bad = label == "nok" if label else bool(defects)
    row = PieceRow(
        piece_id=piece_id,
        label="nok" if is_bad else "ok",
        defects=defects,
        split="test",
        groups={"piece": piece_id, **({"lot": lot} if lot else {})},
    )
    return ReportedPiece(row, _decided(score), reason, score, frozenset({piece_id}))


def _decided(score: float | None) -> str:
    if score is None or LIMITS.pass_below <= score <= LIMITS.fail_above:
        return "REVIEW"
    return "PASS" if score < LIMITS.pass_below else "FAIL"


def line(name: str = "crack", source: str = "top", lot: str = "17") -> list[ReportedPiece]:
    """Twelve good and six defective pieces, with two escapes, two false rejects and three for a person."""
    good = [0.01, 0.01, 0.02, 0.02, 0.03, 0.03, 0.04, 0.05, 0.06, 0.3, 0.95, 0.99]
    bad = [0.02, 0.05, 0.5, 0.97, 0.98, 0.999]
    return [
        *(
            reported(f"{source}-good-{index}", score, lot=lot if score > 0.9 else "4")
            for index, score in enumerate(good)
        ),
        *(reported(f"{source}-bad-{n}", score, name, lot=lot) for n, score in enumerate(bad)),
        reported(f"{source}-none", None, lot=lot, reason="MISSING_MODALITY"),
    ]


def content(
    pieces: Sequence[ReportedPiece] | None = None,
    *,
    name: str = "top",
    side_px: int = 48,
    num_samples: int = 4_000,
    sources: int = 1,
) -> Content:
    """`name` is that of the camera and of the sensor; each piece has `sources` of either."""
    pieces = line() if pieces is None else pieces
    labels = labels_of(pieces)
    scores = np.array([np.nan if piece.score is None else piece.score for piece in pieces])
    evidence = LimitEvidence(
        rate=0.02, target_rate=0.02, confidence=0.95, num_pieces=40, beyond=0.0, observed_limit=0.5, method="tail"
    )
    share = ModalityShare(0.2, 0.1, 0.6, 0.5, Interval(0.9, 0.8, 0.95), 18)
    files = Files(name, side_px, num_samples, sources)
    return Content(
        title=f"{name} 1 on split test",
        about=("19 pieces.",),
        pieces=pieces,
        outcome=outcome_of([DECISIONS[piece.decision] for piece in pieces], labels, [piece.units for piece in pieces]),
        curves=[ScoreCurve("routed", scores, Interval(0.8, 0.7, 0.9), LIMITS),
                ScoreCurve("noisy-or", 1 - scores, Interval(0.2, 0.1, 0.3), None)],
        calibration=Calibration(experts=("a",), temperature=1, bias=0, pass_below=0.1, fail_above=0.9,
                                fail_evidence=evidence),
        limits=LIMITS,
        promise="no certificate",
        dominance=Dominance(len(pieces), 0.3, 0.5, {name: share}),
        classes=by_class(pieces),
        shown={piece_id: files.shown(piece_id) for piece_id in named_in(worst(pieces))},
        choices=[ChoiceRow("experts", name, "another", "gains +0.1", "12 pieces", "")],
        notes=[f"FAIL above .9 of {name}."],
    )  # fmt: skip


def by_class(pieces: Sequence[ReportedPiece]) -> ClassReport | None:
    """Verdicts that fail name the first class."""
    judged = [
        JudgedPiece(
            piece.row.piece_id,
            piece.row.label,
            piece.row.defects,
            piece.units,
            piece.decision,
            piece.row.defects[:1] if piece.decision == "FAIL" else (),
        )
        for piece in pieces
    ]
    report = class_report(judged, ())
    return report if report.classes else None


def with_heat(made: Content) -> Content:
    """The same with a heat map and a region on every picture."""
    _, png = cv2.imencode(".png", np.full((8, 8), 200, np.uint8))
    for shown in made.shown.values():
        image = shown.verdict.images.add(camera=next(iter(shown.piece.views)), heat_map_png=png.tobytes())
        image.regions.add(x_px=4, y_px=8, width_px=10, height_px=12, strength=0.8)
    return made


class Files:
    """Noise, which no encoder makes small."""

    def __init__(self, name: str, side_px: int, num_samples: int, sources: int) -> None:
        random = np.random.default_rng(0)
        names = [name if index == 0 else f"{name}{index}" for index in range(sources)]
        self._images = [(each, random.integers(0, 255, (side_px, side_px, 3)).astype(np.uint8)) for each in names]
        self._clips = [
            Clip(each, "audio", random.normal(0, 0.1, (num_samples, 1)).astype(np.float32), 48_000.0, State.PRESENT)
            for each in names
        ]

    def shown(self, piece_id: str) -> Shown:
        piece: Observation = from_files(InspectionId("line", "station", piece_id), "", self._images, self._clips)
        verdict = pb.Verdict(decision=pb.DECISION_FAIL, reason=pb.DECISION_REASON_DEFECT, defect_score=0.97)
        verdict.signals.add(sensor=self._clips[0].sensor, start_s=0.01, end_s=0.02, low_hz=2_000, high_hz=4_000)
        return Shown(piece, verdict, {})
