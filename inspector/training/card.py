"""Writes the model card: what a bundle was trained on and how, for people. Knows no file and no score of a test."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.bundle.schema import Certificate
from inspector.dataset.manifest import Split
from inspector.recipe.thresholds import certificate_words
from inspector.training.advice import Advice, advice_lines
from inspector.training.config import TrainConfig
from inspector.training.corpus import Dataset
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert
from inspector.training.head.fit import FittedHead

_SPLITS: tuple[Split, ...] = ("train", "calibration", "test")


@dataclass(frozen=True, eq=False)
class ModelCardData:
    """What happened in a training."""

    standings: Sequence[CrossValidationResult]
    taken: Sequence[SelectedExpert]
    head: FittedHead
    routing: Sequence[str]
    certificate: Certificate
    warnings: Sequence[Advice] = ()
    probabilities: Sequence[str] = ()
    """Lines on which figures are probabilities."""

    def findings(self) -> tuple[str, ...]:
        """Sentences for people."""
        names = {own.expert.name for own in self.taken}
        lost = [own.line() for own in self.standings if own.name not in names]
        kept = [own.line() for own in self.standings if own.name in names]
        contest = f"Experts, by area under the curve on held-out groups: {', '.join(kept)}"
        contest += f"; left out: {', '.join(lost)}." if lost else "."
        return (contest, *self.routing, certificate_words(self.certificate))


def model_card(corpus: Dataset, config: TrainConfig, story: ModelCardData) -> str:
    """Markdown of one page."""
    losses = ", ".join(f"{steps}: {loss:.4f}" for steps, loss in story.head.losses.items())
    return "\n".join(
        [
            f"# {config.name} {config.version}",
            "",
            "Training knows no score of a test split: `inspector evaluate BUNDLE MANIFEST --card` puts them under "
            "*Measured*, at the end.",
            "",
            *advice_lines(story.warnings),
            "## Data",
            "",
            *_data(corpus),
            "",
            "## Experts",
            "",
            _fitted_on(story),
            "The area under the curve is that of log-odds for recordings of the training split whose group the",
            "fit had not seen, against the label of the own modality where there is one.",
            "",
            "| expert | area under the curve | taken | cost | how |",
            "|---|---|---|---|---|",
            *_experts(story),
            "",
            "## Fusion head",
            "",
            f"{_head_fit(story)}: {losses}. Calibration, limits and routing come from cross-fitted scores.",
            "",
            *_probabilities(story),
            "## Routing and promise",
            "",
            *(f"- {finding}" for finding in (*story.routing, certificate_words(story.certificate))),
            "",
        ]
    )


def _probabilities(story: ModelCardData) -> list[str]:
    if not story.probabilities:
        return []
    intro = (
        "Classes and single modalities are calibrated on pieces that their encoders had not seen, for pieces mixed as "
        "in these; raw scores rank pieces and are no probabilities."
    )
    return ["## Probabilities", "", intro, "", *story.probabilities, ""]


def _fitted_on(story: ModelCardData) -> str:
    if story.certificate.of_these_encoders:
        return "Fitted on the training split."
    return "Fitted on the training and the calibration split together: no piece of either is unseen by them."


def _head_fit(story: ModelCardData) -> str:
    head = story.head
    if head.joint:
        return (
            f"Fitted together with the experts for {head.steps} epochs on the training split. Loss by epochs on groups "
            "of it that this fit did not see"
        )
    if not story.certificate.of_these_encoders:
        return (
            "Noisy-or of the experts, calibrated on their log-odds out of fold. Cross-fitted loss by steps on the "
            "calibration split, with the experts of the training split alone"
        )
    return (
        f"Fitted for {head.steps} steps on the calibration split, which no encoder saw (0 is noisy-or of calibrated "
        "experts). Cross-fitted loss by steps"
    )


def _experts(story: ModelCardData) -> list[str]:
    taken = {own.expert.name: own for own in story.taken}
    lines = []
    for own in story.standings:
        found = taken.get(own.name)
        how = ("no", "", "") if found is None else ("yes", f"{found.cost_ms:.2f} ms", found.fitted.how)
        lines.append(f"| {own.name} | {own.auc:.3f} | {' | '.join(how)} |")
    return lines


def _data(corpus: Dataset) -> list[str]:
    lines = ["| split | pieces | ok | nok | recordings of their own |", "|---|---|---|---|---|"]
    for split in _SPLITS:
        rows = corpus.split(split)
        counts = [sum(row.label == label for row in rows) for label in ("ok", "nok")]
        lines.append(f"| {split} | {len(rows)} | {counts[0]} | {counts[1]} | {_recordings(corpus, split)} |")
    return lines


def _recordings(corpus: Dataset, split: Split) -> str:
    rows = corpus.split(split)
    found = {
        modality.name: {
            path
            for row in rows
            for path in (
                *(image.path for image in row.images if image.camera == modality.name),
                *(signal.path for signal in row.signals if signal.sensor == modality.name),
            )
        }
        for modality in corpus.modalities
    }
    return ", ".join(f"{name} {len(paths)}" for name, paths in found.items())
