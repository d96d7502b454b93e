"""Table: how well fusion, each modality and noisy-or of the same encoders separate good from defective pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores, fit, probability
from fusion.scored import ExpertSet, Scored
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle
from inspector.dataset.manifest import read_manifest
from inspector.evaluation.noisy_or import calibrated, noisy_or, truth
from inspector.statistics.bootstrap import unit_weights
from inspector.statistics.classification import area_under_curve
from tests.benchmarks.evidence.as_routed import as_routed, calibrations_of
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Table

GOALS = {"wafer": (0.95, 0.98), "tile_tap": (0.84, 0.92), "cell_tap": (0.87, 0.94)}
PEER = {"wafer": ".868 / .935", "tile_tap": ".769 / .841", "cell_tap": ".811 / .896"}
"""Best late fusion of frozen embeddings, log-mel statistics and logistic regression, published with the sets."""
FUSED, NOISY_OR, ROUTED = "fused, all experts", "noisy-or of the same encoders", "as shipped (routed)"
NUM_DRAWS = 1000
HALF = 0.5
COLUMNS = ("set", "score", "accuracy, limit from calibration", "accuracy, best limit on test", "AUC", "goal", "peer")


@dataclass(frozen=True)
class Judged:
    """One kind of score on one test split, calibrated on the calibration pieces."""

    test: Scores
    """Calibrated scores: the limit that transfers from calibration to test is one half."""
    labels: Labels

    def accuracy(self) -> float:
        return accuracy(self.test, self.labels, HALF)

    def best_accuracy(self) -> float:
        return accuracy(self.test, self.labels, best_limit(self.test, self.labels))

    def auc(self) -> float:
        return area_under_curve(self.test, self.labels)


def run(bench: Bench) -> Table:
    rows: list[list[str]] = []
    notes: list[str] = []
    bundle_rows: dict[str, list[list[str]]] = {}
    for name in bench.sets():
        seeds = [bench.trained(name, seed) for seed in bench.seeds]
        by_seed = [judged(trained) for trained in seeds]
        for kind in dict.fromkeys(kind for kinds in by_seed for kind in kinds):
            rows.append(_row(name, kind, [kinds[kind] for kinds in by_seed if kind in kinds]))
        bundle_rows |= {
            trained.key: [_row(name, kind, [scores]) for kind, scores in kinds.items()]
            for trained, kinds in zip(seeds, by_seed, strict=True)
        }
        notes += [_against_noisy_or(name, seeds, by_seed), _met(name, [kinds[FUSED] for kinds in by_seed])]
    seeds_text = ", ".join(map(str, bench.seeds))
    return Table(
        name="accuracy",
        title="Fusion, single modalities, noisy-or",
        question="Accuracy and area under the curve on the test splits, mean ± standard deviation over benchmark seeds "
        f"{seeds_text}. A ranking error lowers the AUC; a wrong limit separates the two accuracies. "
        "Goal: fusion is no worse than noisy-or of the same encoders, within its interval.",
        columns=COLUMNS,
        rows=rows,
        notes=[
            *notes,
            "In these sets image and signal are paired at random given their labels: noisy-or is close to the best "
            "possible fusion. The gain from attention is measured on the simulated line with disagreements.",
        ],
        bundle_rows=bundle_rows,
    )


def judged(trained: Trained) -> dict[str, Judged]:
    schema = load(trained.bundle).schema
    parts = (trained.calibration, trained.test)
    everything = frozenset(expert.name for expert in schema.experts)
    kinds = {FUSED: [_dense(schema, part, everything) for part in parts]}
    kinds[ROUTED] = [as_routed(schema, part).scores for part in parts]
    kinds[NOISY_OR] = _noisy_or(schema, trained)
    for modality in schema.modalities:
        experts = frozenset(expert.name for expert in schema.experts if expert.modality == modality.name)
        kinds[f"{modality.name} alone"] = [_dense(schema, part, experts) for part in parts]
    known = trained.calibration.labels
    return {
        kind: Judged(_calibrated(before, after, known), trained.test.labels) for kind, (before, after) in kinds.items()
    }


def _calibrated(at_calibration: Scores, at_test: Scores, known: Labels) -> Scores:
    """A second calibration, the same for all kinds, including noisy-or."""
    calibration = fit(_log_odds(at_calibration), known)
    return probability(_log_odds(at_test), calibration.temperature, calibration.bias)


def _log_odds(scores: Scores) -> Scores:
    inner = scores.clip(1e-9, 1 - 1e-9)
    return np.log(inner) - np.log1p(-inner)


def _dense(schema: Bundle, scored: Scored, experts: ExpertSet) -> Scores:
    calibration = calibrations_of(schema)[experts]
    return probability(scored.of(experts), calibration.temperature, calibration.bias)


def _noisy_or(schema: Bundle, trained: Trained) -> list[Scores]:
    """Each expert is calibrated separately, on the calibration pieces."""
    by_id = {row.piece_id: row for row in read_manifest(trained.manifest)}
    known, parts = trained.calibration, (trained.calibration, trained.test)
    rows = [by_id[piece_id] for piece_id in known.piece_ids]
    by_modality: list[list[list[Scores]]] = [[], []]
    for modality in schema.modalities:
        places = [known.experts.index(expert.name) for expert in schema.experts if expert.modality == modality.name]
        true = truth(rows, modality)
        for part, probabilities in zip(parts, by_modality, strict=True):
            probabilities.append([calibrated(part.expert_logits[i], known.expert_logits[i], true) for i in places])
    return [probability(noisy_or(probabilities), 1.0, 0.0) for probabilities in by_modality]


def accuracy(scores: Scores, labels: Labels, limit: float) -> float:
    return float(np.mean((scores >= limit) == labels))


def best_limit(scores: Scores, labels: Labels) -> float:
    """The limit with the most correct decisions, halfway between two scores."""
    order = np.argsort(scores)
    ranked, defective = scores[order], labels[order]
    right = np.concatenate([[labels.sum()], labels.sum() + np.cumsum(np.where(defective, -1, 1))])
    right[1:-1][
        ranked[1:] == ranked[:-1]
    ] = -1  # Pieces that share a recording have equal scores: no limit separates them.
    edges = np.concatenate([[ranked[0] - 1], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1]])
    return float(edges[int(np.argmax(right))])


def _row(name: str, kind: str, seeds: Sequence[Judged]) -> list[str]:
    goal = "{:.2f} / {:.2f}".format(*GOALS[name]) if kind == FUSED else ""
    return [
        name,
        kind,
        spread([seed.accuracy() for seed in seeds]),
        spread([seed.best_accuracy() for seed in seeds]),
        spread([seed.auc() for seed in seeds]),
        goal,
        PEER[name] if kind == FUSED else "",
    ]


def _met(name: str, seeds: Sequence[Judged]) -> str:
    reached = (float(np.mean([seed.accuracy() for seed in seeds])), float(np.mean([seed.auc() for seed in seeds])))
    verdict = "reached" if all(seed >= goal for seed, goal in zip(reached, GOALS[name], strict=True)) else "missed"
    return f"{name}: goal {verdict} ({reached[0]:.3f} / {reached[1]:.3f})."


def _against_noisy_or(name: str, seeds: Sequence[Trained], kinds_by_seed: Sequence[Mapping[str, Judged]]) -> str:
    ends = np.cumsum([len(seed.test.labels) for seed in seeds])[:-1]
    weights = unit_weights([units for seed in seeds for units in seed.test.units], NUM_DRAWS, seed=0)
    parts = zip(seeds, kinds_by_seed, np.split(weights, ends, axis=1), strict=True)
    draws = np.array([_differences(seed, kinds, part) for seed, kinds, part in parts])
    accuracy_draws, auc_draws = draws.mean(0).T
    return (
        f"{name}: fused minus noisy-or, 95 % of {NUM_DRAWS} bootstraps over pictures and sounds: accuracy "
        f"{_interval(accuracy_draws)}, AUC {_interval(auc_draws)}."
    )


def _interval(draws: NDArray[np.float64]) -> str:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return f"{low:+.3f} to {high:+.3f}"


def _differences(trained: Trained, kinds: Mapping[str, Judged], weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """(draws, 2): differences of accuracy and of AUC; `weights` (draws, pieces) repeats the pieces of a draw.

    AUC is NaN for a draw with good or defective pieces only.
    """
    differences = []
    for counts in weights:
        rows = np.repeat(np.arange(len(counts)), counts)
        labels = trained.test.labels[rows]
        first, second = (kinds[kind].test[rows] for kind in (FUSED, NOISY_OR))
        differences.append(
            (
                accuracy(first, labels, HALF) - accuracy(second, labels, HALF),
                _auc(first, labels) - _auc(second, labels),
            )
        )
    return np.array(differences)


def _auc(scores: Scores, labels: Labels) -> float:
    return area_under_curve(scores, labels) if labels.any() and not labels.all() else float("nan")
