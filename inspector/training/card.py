"""Writes the model card: what a bundle was trained on and how, for people. Knows no file and no score of a test."""

from collections.abc import Mapping

from inspector.manifest import Split
from inspector.training.config import TrainConfig
from inspector.training.corpus import Corpus
from inspector.training.encoder_fit import Fitted
from inspector.training.head_fit import FittedHead

_SPLITS: tuple[Split, ...] = ("train", "calibration", "test")


def model_card(corpus: Corpus, config: TrainConfig, fits: Mapping[str, Fitted], head: FittedHead) -> str:
    """Markdown of one page."""
    return "\n".join(
        [
            f"# {config.name} {config.version}",
            "",
            "Scores of a test split are not here: `inspector evaluate` writes them from a manifest.",
            "",
            "## Data",
            "",
            *_data(corpus),
            "",
            "## Encoders",
            "",
            "Fitted on the training split, stopped by held-out groups of it.",
            "",
            "| expert | epochs | best epoch | held-out loss |",
            "|---|---|---|---|",
            *(f"| {name} | {f.epochs} | {f.best_epoch} | {f.holdout_loss:.4f} |" for name, f in fits.items()),
            "",
            "## Fusion head",
            "",
            f"Fitted for {head.steps} steps on the calibration split, which no encoder saw (0 is noisy-or of "
            "calibrated experts). Cross-fitted loss by steps: "
            + ", ".join(f"{steps}: {loss:.4f}" for steps, loss in head.losses.items())
            + ". Calibration, limits and routing come from cross-fitted scores.",
            "",
        ]
    )


def _data(corpus: Corpus) -> list[str]:
    lines = ["| split | pieces | ok | nok | recordings of their own |", "|---|---|---|---|---|"]
    for split in _SPLITS:
        rows = corpus.split(split)
        counts = [sum(row.label == label for row in rows) for label in ("ok", "nok")]
        lines.append(f"| {split} | {len(rows)} | {counts[0]} | {counts[1]} | {_recordings(corpus, split)} |")
    return lines


def _recordings(corpus: Corpus, split: Split) -> str:
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
