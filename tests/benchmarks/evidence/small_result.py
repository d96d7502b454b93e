"""What is kept of each line with few independent recordings: its figures, and the scored pieces behind them.

The scored test pieces may be looked at again, and other rules may be compared on them without training; nothing of the
product may be tuned on them.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tests.benchmarks.evidence.small_draws import Draw

KEPT_FILES = ("calibration.npz", "test.npz", "findings.txt", "bundle/bundle.json")
KEPT_EXPERTS = "kept experts"


@dataclass(frozen=True)
class Result:
    """One draw: AUC and accuracy of every kind of score, and what was chosen."""

    draw: Draw
    auc: Mapping[str, float]
    accuracy: Mapping[str, float]
    false_rejects: float
    """Share of good test pieces that fail, as shipped."""
    promised: float
    """As asked of training."""
    head_steps: int
    policy: str
    review_share: float | None = None
    """Share of all test pieces that go to a person, as shipped; None: from before it was kept."""
    good_groups: int | None = None
    """Good test pieces of which no two share a recording."""
    failed_groups: int | None = None
    """Those of them that fail."""
    own_auc: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By modality with candidates that were left out: AUC on its own labels of the kept experts together, and of each
    candidate left out."""

    stated: float | None = None
    """As the bundle states it for its limits, mean over the good test pieces: more than asked where a bound on REVIEW
    relaxed it. None: the bundle states none, and what was asked is the promise."""

    @property
    def promise(self) -> float:
        return self.promised if self.stated is None else self.stated

    def difference(self, first: str, second: str) -> tuple[float, float]:
        return self.auc[first] - self.auc[second], self.accuracy[first] - self.accuracy[second]

    def kept_minus_left_out(self) -> dict[str, float]:
        """By modality, against the best of the candidates left out, as the test pieces tell it."""
        return {
            modality: scores[KEPT_EXPERTS] - max(auc for name, auc in scores.items() if name != KEPT_EXPERTS)
            for modality, scores in self.own_auc.items()
        }


def write_result(path: Path, result: Result) -> None:
    """Written, then renamed: a run that is cut off leaves no half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(result)) + "\n", encoding="utf-8")
    part.replace(path)


def read_result(path: Path) -> Result:
    """Figures that another version keeps as well are ignored, those that it lacks are None."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    known = {name: content[name] for name in (entry.name for entry in fields(Result)) if name in content}
    return Result(**{**known, "draw": Draw(**content["draw"])})


def keep_only_scores(work: Path) -> None:
    """Leaves the scored pieces, findings and bundle description of a draw; networks and links go."""
    kept = work.with_name(f"{work.name}.kept")
    shutil.rmtree(kept, ignore_errors=True)
    for name in KEPT_FILES:
        target = kept / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / name, target)
    shutil.rmtree(work)
    kept.rename(work)
