"""Table: a pretrained camera expert with a frozen backbone, with LoRA, fitted in full. One set, one benchmark seed."""

import copy
import time
from dataclasses import dataclass
from statistics import mean

import torch

from encoders.vision import VisionEncoder
from inspector.dataset.manifest import Split
from inspector.dataset.splits import folds
from inspector.statistics.classification import area_under_curve
from inspector.training.adapt.evaluate_draft import expert_logits, recordings_of
from inspector.training.config import ImageExpert
from inspector.training.dataset import Dataset
from inspector.training.experts.lora import RANK, LowRank, Tuning, num_trainable, tuned
from inspector.training.experts.network import EncoderFit, Recordings, schedule
from inspector.training.export import TrainedExpert
from inspector.training.inputs import build_encoder, input_form
from tests.benchmarks.evidence.bench import Bench
from tests.benchmarks.evidence.table import Table

SET, CAMERA, BACKBONE = "tile_tap", "top", "tf_mobilenetv3_small_075"
TUNINGS: tuple[Tuning, ...] = ("frozen", "lora", "full")
SEEDS = (0, 1)
"""Of the fit: the fold that decides when to stop, the readout's start and the order of the pictures."""
EPOCHS, TOKEN_DIM = 15, 32
JUDGED: tuple[Split, ...] = ("calibration", "test")
COLUMNS = ("backbone", "trained parameters", "CPU-s per fit", "AUC calibration", "AUC test")


@dataclass(frozen=True)
class Result:
    parameters: int
    cpu_s: float
    auc: dict[Split, float]


def run(bench: Bench) -> Table:
    """One thread; about three minutes."""
    rows: list[tuple[str, ...]] = []
    notes = [
        f"LoRA: rank {RANK} on linear and ungrouped 1x1 layers, merged; each row is the mean of {len(SEEDS)} fits."
    ]
    if SET not in bench.sets() or BACKBONE not in bench.weights:
        notes = [f"Not run: it needs the recordings of {SET} and the weights of {BACKBONE}."]
    else:
        corpus = Dataset(bench.trained(SET, bench.seeds[0]).manifest)
        rows = [_row(corpus, bench, tuning) for tuning in TUNINGS]
        examples = corpus.examples("train", CAMERA).values()
        groups = len({example.group for example in examples})
        notes.append(
            "Calibration and test hold about 55 pictures each: one standard error of an AUC is about .07, so the "
            "order of the rows is not settled. A gain of LoRA on calibration counts only if the test shows it too."
        )
        notes.append(f"{len(examples)} training pictures in {groups} groups, far below the 1,000 of the guard.")
    return Table(
        name="lora",
        title="LoRA against a frozen backbone and full fine-tuning",
        question=f"{BACKBONE} at 224 px on {SET}, by the camera's own label: does LoRA pay off with few parts?",
        columns=COLUMNS,
        rows=rows,
        notes=notes,
    )


def _row(corpus: Dataset, bench: Bench, tuning: Tuning) -> tuple[str, ...]:
    fits = [_fit(corpus, bench, tuning, seed) for seed in SEEDS]
    auc = {split: mean(result.auc[split] for result in fits) for split in JUDGED}
    cpu_s = mean(result.cpu_s for result in fits)
    return tuning, f"{fits[0].parameters:,}", f"{cpu_s:.0f}", f"{auc['calibration']:.3f}", f"{auc['test']:.3f}"


def _fit(corpus: Dataset, bench: Bench, tuning: Tuning, seed: int) -> Result:
    torch.manual_seed(seed)
    expert = _expert(corpus, bench, tuning)
    examples = list(corpus.examples("train", CAMERA).values())
    fold = folds([example.group for example in examples], 7, seed)
    held = torch.tensor([fold[example.group] == 0 for example in examples])
    whole = recordings_of(examples, expert.input)
    fit, holdout = (Recordings(whole.inputs[rows], whole.targets[rows]) for rows in (~held, held))
    plan, start = schedule(expert.config, EPOCHS), time.thread_time()
    assert isinstance(expert.module, VisionEncoder)
    parameters = _num_trained(expert.module, tuning)
    with tuned(expert.module, tuning):
        EncoderFit(expert.module, expert.config, expert.input).run(fit, holdout, plan, lambda done, total: None)
    cpu_s = time.thread_time() - start
    return Result(parameters, cpu_s, {split: _auc(corpus, expert, split) for split in JUDGED})


def _auc(corpus: Dataset, expert: TrainedExpert, split: Split) -> float:
    recordings = recordings_of(corpus.examples(split, CAMERA).values(), expert.input)
    return area_under_curve(expert_logits(expert, recordings), recordings.targets[:, 0].numpy() > 0.5)


def _expert(corpus: Dataset, bench: Bench, tuning: Tuning) -> TrainedExpert:
    config = ImageExpert(
        name="full",
        modality=CAMERA,
        scout=False,
        encoder=BACKBONE,
        freeze=tuning == "frozen",
        num_channels=3,
        height_px=224,
        width_px=224,
    )
    form = input_form(config, [])
    return TrainedExpert(config, form, build_encoder(config, form, (TOKEN_DIM, len(corpus.classes)), bench.weights))


def _num_trained(module: VisionEncoder, tuning: Tuning) -> int:
    match tuning:
        case "frozen":
            return num_trainable(module.readout)
        case "full":
            return num_trainable(module)
        case "lora":
            probe = copy.deepcopy(module)
            LowRank(probe)
            return num_trainable(probe)
