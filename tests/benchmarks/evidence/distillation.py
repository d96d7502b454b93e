"""Table: a camera expert, and students of a tenth of its size: from labels alone, distilled at once, in two steps."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from inspector.bundle.schema import input_shape
from inspector.dataset.manifest import Split
from inspector.dataset.splits import folds
from inspector.statistics.classification import area_under_curve
from inspector.training.adapt.distil import DistillationData, Shares, Size, distil, size_of, student_of
from inspector.training.adapt.evaluate_draft import expert_logits, recordings_of
from inspector.training.config import ImageExpert
from inspector.training.data import Example
from inspector.training.dataset import Dataset
from inspector.training.experts.gradient_descent import DescentSettings
from inspector.training.experts.network import EncoderFit, Recordings, Schedule
from inspector.training.export import TrainedExpert, cost_ms, to_onnx
from inspector.training.inputs import build_encoder, input_form
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.table import Table

SET, CAMERA = "wafer", "top"
TEACHER = ImageExpert(name="top-full", modality=CAMERA, scout=False, interpolation="nearest", turn="any", jitter=0.0)
TEACHER_EPOCHS, TOKEN_DIM = 40, 32
LEARNING = DescentSettings(epochs=30, learning_rate=6e-3)
LABELS_ONLY, TAUGHT = Shares(labels=1, teacher=0, tokens=0), Shares()
COLUMNS = ("expert", "parameters", "MACs", "ms", "AUC calibration", "AUC test")


class Figures(NamedTuple):
    size: Size
    cost_ms: float
    calibration: float
    """AUC, as on test."""
    test: float


def run(bench: Bench) -> Table:
    """One thread; about three minutes."""
    rows: list[tuple[str, ...]] = []
    notes = [f"Not run: it needs the recordings of {SET}."]
    if SET in bench.sets():
        corpus = Dataset(bench.trained(SET, bench.seeds[0]).manifest)
        teacher, students = _experts(corpus)
        measured = {name: _figures(expert, corpus) for name, expert in (("teacher", teacher), *students)}
        rows = [_row(name, figures) for name, figures in measured.items()]
        notes = _notes(measured)
    return Table(
        name="distillation",
        title="Students of a tenth of the size",
        question=f"A 48 px expert for {SET} teaches one of a tenth of its parameters and MACs: does it beat the same "
        "network fitted on labels alone, and do two steps beat one?",
        columns=COLUMNS,
        rows=rows,
        notes=notes,
    )


def _experts(corpus: Dataset) -> tuple[TrainedExpert, Sequence[tuple[str, TrainedExpert]]]:
    torch.manual_seed(0)
    examples = list(corpus.examples("train", CAMERA).values())
    teacher = _teacher(examples, len(corpus.classes))
    mid, small = (student_of(teacher, encoder, TEACHER.height_px) for encoder in ("mini", "micro"))
    ways = {
        "student, labels alone": ([small], LABELS_ONLY),
        "student, distilled": ([small], TAUGHT),
        "student, distilled in two steps": ([mid, small], TAUGHT),
    }
    return teacher, [(name, _student(teacher, chain, examples, shares)) for name, (chain, shares) in ways.items()]


def _teacher(examples: Sequence[Example], num_classes: int) -> TrainedExpert:
    form = input_form(TEACHER, [])
    expert = TrainedExpert(TEACHER, form, build_encoder(TEACHER, form, (TOKEN_DIM, num_classes), {}))
    whole, fold = recordings_of(examples, form), folds([example.group for example in examples], 7, 0)
    held = torch.tensor([fold[example.group] == 0 for example in examples])
    fit, holdout = (Recordings(whole.inputs[rows], whole.targets[rows]) for rows in (~held, held))
    plan = Schedule(TEACHER_EPOCHS, 4e-3, 32)
    EncoderFit(expert.module, TEACHER, form).run(fit, holdout, plan, lambda done, total: None)
    return expert


def _student(
    teacher: TrainedExpert, chain: Sequence[ImageExpert], examples: Sequence[Example], shares: Shares
) -> TrainedExpert:
    torch.manual_seed(1)
    targets = recordings_of(examples, teacher.input).targets
    return distil(
        teacher, chain, DistillationData([example.recording for example in examples], targets, shares, LEARNING)
    )


def _figures(expert: TrainedExpert, corpus: Dataset) -> Figures:
    calibration, test = (_auc(expert, corpus, split) for split in ("calibration", "test"))
    return Figures(size_of(expert), _cost_ms(expert), calibration, test)


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    size, aucs = figures.size, (figures.calibration, figures.test)
    return (
        name,
        f"{size.parameters:,}",
        f"{size.macs / 1e6:.1f} M",
        f"{figures.cost_ms:.2f}",
        *(f"{auc:.3f}" for auc in aucs),
    )


def _notes(measured: Mapping[str, Figures]) -> list[str]:
    teacher, alone, once, twice = measured.values()
    small, large = alone.size, teacher.size
    return [
        f"The student has {small.parameters / large.parameters:.1%} of the parameters and "
        f"{small.macs / large.macs:.1%} of the MACs; the intermediate student has a quarter.",
        "All students take the same passes over the same changed pictures; distilled ones add the teacher's log-odds "
        "and tokens to the labels.",
        f"AUC on calibration against labels alone: distilled {once.calibration - alone.calibration:+.3f}, in two steps "
        f"{twice.calibration - alone.calibration:+.3f}; one standard error of such an AUC is about .007, and only a "
        "larger difference would show that the teacher helps where labels exist.",
    ]


def _cost_ms(expert: TrainedExpert) -> float:
    probe = torch.zeros(2, *input_shape(expert.input))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "expert.onnx"
        to_onnx(expert.module, {"input": probe}, ("tokens", "logits", "relevance"), path)
        return cost_ms(path, {"input": probe[:1].numpy()})


def _auc(expert: TrainedExpert, corpus: Dataset, split: Split) -> float:
    recordings = recordings_of(corpus.examples(split, CAMERA).values(), expert.input)
    return area_under_curve(expert_logits(expert, recordings), recordings.targets[:, 0].numpy() > 0.5)
