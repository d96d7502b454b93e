"""Fits the candidates that the plain training compared and left out, to see whether they were left out rightly."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from fusion.calibration import Scores
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle, Modality
from inspector.dataset.files import sources_of
from inspector.dataset.manifest import PieceRow, Split
from inspector.evaluation.noisy_or import calibrated, truth
from inspector.statistics.classification import area_under_curve
from inspector.training.config import ExpertConfig, TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.experts.network import encode
from inspector.training.experts.selection import make_fitter
from inspector.training.head.scores import BOTH
from inspector.training.inputs import prepare
from inspector.training.trainer import Trainer, TrainOptions, candidates, training_data
from tests.benchmarks.evidence.bench import Trained
from tests.benchmarks.evidence.small_result import KEPT_EXPERTS


def own_auc(trained: Trained, config: TrainConfig, weights: Mapping[str, Path]) -> dict[str, dict[str, float]]:
    """By modality with candidates that were left out: AUC on the test pieces' labels of this modality.

    A candidate is fitted on the same pieces as the experts that ship: training, and calibration where those were
    fitted again.
    """
    schema, options = load(trained.bundle).schema, TrainOptions(weights=weights)
    trainer = Trainer(Dataset(trained.manifest, config.labels), config, options, _silent)
    auc_by_modality = {}
    for modality in schema.modalities:
        rest = [expert for expert in candidates(trainer.dataset, modality, options) if not _ships(schema, expert)]
        if rest:
            labels = _labels(trained, modality)
            known = ~np.isnan(labels)
            scores = {KEPT_EXPERTS: _kept(schema, trained, modality)}
            scores |= {expert.name: _scores(trainer, trained, schema, expert) for expert in rest}
            known &= ~np.isnan(np.stack(list(scores.values()))).any(0)
            auc_by_modality[modality.name] = {
                name: area_under_curve(values[known], labels[known] > 0.5) for name, values in scores.items()
            }
    return auc_by_modality


def _silent(stage: str, done: int, total: int) -> None:
    """No progress."""


def _ships(schema: Bundle, candidate: ExpertConfig) -> bool:
    return candidate.name in {expert.name for expert in schema.experts}


def _test_rows(trained: Trained, piece_ids: tuple[str, ...]) -> Iterator[PieceRow]:
    rows = {row.piece_id: row for row in Dataset(trained.manifest, {}).rows}
    return (rows[piece_id] for piece_id in piece_ids)


def _labels(trained: Trained, modality: Modality) -> Scores:
    return truth(list(_test_rows(trained, trained.test.piece_ids)), modality)


def _kept(schema: Bundle, trained: Trained, modality: Modality) -> Scores:
    """(P,) sum of the calibrated log-odds of the modality's experts, as noisy-or uses them."""
    known = trained.calibration
    true = truth(list(_test_rows(trained, known.piece_ids)), modality)
    places = [known.experts.index(expert.name) for expert in schema.experts if expert.modality == modality.name]
    return np.sum([calibrated(trained.test.expert_logits[i], known.expert_logits[i], true) for i in places], axis=0)


def _scores(trainer: Trainer, trained: Trained, schema: Bundle, expert: ExpertConfig) -> Scores:
    """(P,) log-odds of the test pieces by a candidate that was left out."""
    splits: tuple[Split, ...] = ("train",) if schema.provenance["encoders_fitted_on"] == "train" else BOTH
    data = training_data(trainer, expert, splits)
    module, _ = make_fitter(data, trainer.config.cross_fit).final(lambda done, total: None)
    seen = trainer.dataset.examples("test", expert.modality)
    recordings = [example.recording for example in seen.values()]
    logits = encode(module.eval(), prepare(recordings, data.form), data.form).logits[:, 0].numpy()
    by_path = dict(zip(seen, logits.astype(np.float64), strict=True))
    rows = _test_rows(trained, trained.test.piece_ids)
    looks = [[by_path[source.path] for source in sources_of(row, expert.modality)] for row in rows]
    return np.array([max(logits, default=np.nan) for logits in looks])
