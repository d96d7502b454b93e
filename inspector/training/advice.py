"""Warnings of a training, each with its remedy, for the command line, the report and the model card."""

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from inspector.statistics.evidence import Choice

Kind = Literal["chance", "dominance", "epochs", "evidence", "labels", "limits", "recordings", "weights"]

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class Advice:
    """One warning."""

    kind: Kind
    text: str
    """The problem, with figures, and its remedy."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


class StrictError(ValueError):
    """Warnings that prevent the writing of a bundle under `--strict`."""

    def __init__(self, warnings: Sequence[Advice]) -> None:
        super().__init__("\n".join(map(str, warnings)))
        self.warnings = tuple(warnings)


def give(warnings: Iterable[Advice], *, strict: bool) -> tuple[Advice, ...]:
    """Logs each warning. Raises StrictError if there are any and `strict` is set."""
    given = tuple(warnings)
    for warning in given:
        _log.warning("%s", warning)
    if strict and given:
        raise StrictError(given)
    return given


def advice_lines(warnings: Sequence[Advice]) -> list[str]:
    """A section of the model card; empty without warnings."""
    if not warnings:
        return []
    return ["## Warnings of the training", "", *(f"- **{warning.kind}**: {warning.text}" for warning in warnings), ""]


def write_training_report(
    path: Path, findings: Sequence[str], warnings: Sequence[Advice], figures: Mapping[str, object] | None = None
) -> None:
    """One JSON object: `findings` (sentences), `warnings` (kind and text each), and further `figures`."""
    content = {"findings": list(findings), "warnings": [asdict(warning) for warning in warnings], **(figures or {})}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def choice_figures(choices: Sequence[Choice]) -> list[dict[str, object]]:
    """For the JSON report. A gain that is not known is null: JSON has no NaN."""
    return [asdict(choice) | ({} if _is_compared(choice) else {"gain": None}) for choice in choices]


def _is_compared(choice: Choice) -> bool:
    return choice.gain is not None and not math.isnan(choice.gain.mean)
