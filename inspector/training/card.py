"""Writes the model card: data, experts, fusion head, routing and certificate of a training."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.bundle.schema import Certificate
from inspector.dataset.manifest import Split
from inspector.evaluation.class_figures import ClassReport
from inspector.evaluation.class_tables import class_tables
from inspector.recipe.thresholds import certificate_words
from inspector.statistics.evidence import Choice
from inspector.training.advice import Advice, advice_lines
from inspector.training.config import TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert
from inspector.training.head.fit import FittedHead

_SPLITS: tuple[Split, ...] = ("train", "calibration", "test")


@dataclass(frozen=True, eq=False)
class ModelCardData:
    """Results of a training for the model card."""

    results: Sequence[CrossValidationResult]
    selected: Sequence[SelectedExpert]
    head: FittedHead
    routing: Sequence[str]
    certificate: Certificate
    warnings: Sequence[Advice] = ()
    probabilities: Sequence[str] = ()
    """Lines that list which figures are probabilities."""
    shares: Sequence[str] = ()
    """Sentences on how far single modalities decide."""
    limits: Sequence[str] = ()
    """Sentences on limits and calibrations: what was chosen, and what it rests on."""
    choices: Sequence[Choice] = ()
    """What was chosen under uncertainty, against what."""
    labels: Sequence[str] = ()
    """Sentences on pieces whose label is not certain."""
    by_class: ClassReport | None = None
    """Figures by defect class, from cross-fitted scores."""

    def findings(self) -> tuple[str, ...]:
        """Sentences for the model card and the log."""
        names = {entry.expert.name for entry in self.selected}
        left_out = [entry.line() for entry in self.results if entry.name not in names]
        kept = [entry.line() for entry in self.results if entry.name in names]
        comparison = f"Experts, by area under the curve on held-out groups: {', '.join(kept)}"
        comparison += f"; left out: {', '.join(left_out)}." if left_out else "."
        return (
            *self.labels,
            comparison,
            *(choice.line() for choice in self.choices),
            *self.routing,
            *self.limits,
            *self.shares,
            certificate_words(self.certificate),
        )


def model_card(dataset: Dataset, config: TrainConfig, card: ModelCardData) -> str:
    """Markdown of one page."""
    losses = ", ".join(f"{steps}: {loss:.4f}" for steps, loss in card.head.losses.items())
    return "\n".join(
        [
            f"# {config.name} {config.version}",
            "",
            "Training does not use the test split: `inspector evaluate BUNDLE MANIFEST --card` adds its scores under "
            "*Measured*, at the end.",
            "",
            *advice_lines(card.warnings),
            "## Data",
            "",
            *_data(dataset),
            "",
            *(line for sentence in card.labels for line in (sentence, "")),
            "## Experts",
            "",
            _fitted_on(card),
            "The area under the curve compares out-of-fold log-odds of training recordings with the label of their",
            "modality, or of the piece where the modality has none.",
            "",
            "| expert | area under the curve | used | cost | method |",
            "|---|---|---|---|---|",
            *_experts(card),
            "",
            "## Fusion head",
            "",
            f"{_head_fit(card)}: {losses}. Calibration, limits and routing come from cross-fitted scores.",
            "",
            *_choices(card),
            *_probabilities(card),
            *_limits(card),
            *_classes(card),
            "## Routing and promise",
            "",
            *(f"- {finding}" for finding in (*card.routing, *card.shares, certificate_words(card.certificate))),
            "",
        ]
    )


def _choices(card: ModelCardData) -> list[str]:
    if not card.choices:
        return []
    intro = (
        "Something more complex is taken only where independent recordings bear out its gain; intervals hold with 95 % "
        "on each side, for all compared alternatives together."
    )
    return ["## Choices", "", intro, "", *(f"- {choice.line()}" for choice in card.choices), ""]


def _probabilities(card: ModelCardData) -> list[str]:
    if not card.probabilities:
        return []
    intro = (
        "Scores of classes and single modalities are calibrated on pieces that their encoders did not see, for the "
        "same mix of pieces; raw scores rank pieces and are no probabilities."
    )
    return ["## Probabilities", "", intro, "", *card.probabilities, ""]


def _limits(card: ModelCardData) -> list[str]:
    return ["## Limits and calibration", "", *(f"- {line}" for line in card.limits), ""] if card.limits else []


def _classes(card: ModelCardData) -> list[str]:
    tables = [] if card.by_class is None else class_tables(card.by_class)
    if not tables:
        return []
    intro = (
        "From scores by encoders and heads that had not seen the pieces, by the limits above, with all experts. No "
        "test: limits and scales were chosen on the same pieces."
    )
    return ["## Defect classes", "", intro, "", *tables, ""]


def _fitted_on(card: ModelCardData) -> str:
    if card.certificate.of_these_encoders:
        return "Fitted on the training split."
    return "Fitted on the training and the calibration split together: the encoders have seen the pieces of both."


def _head_fit(card: ModelCardData) -> str:
    head = card.head
    if head.joint:
        return (
            f"Fitted together with the experts for {head.steps} epochs on the training split. Loss by epochs on "
            "held-out groups"
        )
    if not card.certificate.of_these_encoders:
        return (
            "Noisy-or of the experts, calibrated on their out-of-fold log-odds. Cross-fitted loss by steps on the "
            "calibration split, with the experts of the training split alone"
        )
    return (
        f"Fitted for {head.steps} steps on the calibration split, which no encoder saw (0 is noisy-or of calibrated "
        f"experts{_shrunk(head)}). Cross-fitted loss by steps, unshrunk"
    )


def _shrunk(head: FittedHead) -> str:
    return f"), of which {head.weight:.2f} were taken (1 is all" if head.steps else ""


def _experts(card: ModelCardData) -> list[str]:
    selected = {result.expert.name: result for result in card.selected}
    lines = []
    for result in card.results:
        expert = selected.get(result.name)
        how = ("no", "", "") if expert is None else ("yes", f"{expert.cost_ms:.2f} ms", expert.fitted.how)
        lines.append(f"| {result.name} | {result.auc:.3f} | {' | '.join(how)} |")
    return lines


def _data(dataset: Dataset) -> list[str]:
    lines = ["| split | pieces | ok | nok | different recordings |", "|---|---|---|---|---|"]
    for split in _SPLITS:
        rows = dataset.split(split)
        counts = [sum(row.label == label for row in rows) for label in ("ok", "nok")]
        lines.append(f"| {split} | {len(rows)} | {counts[0]} | {counts[1]} | {_recordings(dataset, split)} |")
    return lines


def _recordings(dataset: Dataset, split: Split) -> str:
    rows = dataset.split(split)
    paths_by_modality = {
        modality.name: {
            path
            for row in rows
            for path in (
                *(image.path for image in row.images if image.camera == modality.name),
                *(signal.path for signal in row.signals if signal.sensor == modality.name),
            )
        }
        for modality in dataset.modalities
    }
    return ", ".join(f"{name} {len(paths)}" for name, paths in paths_by_modality.items())
