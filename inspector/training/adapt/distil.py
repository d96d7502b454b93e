"""Distils a thorough camera expert into a small one, directly or through intermediate students.

Student and teacher see the same augmented picture, each in its own resolution. The student learns the labels, the
teacher's log-odds and the teacher's tokens, so that the head can keep reading them.
Letters: R recordings, B batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from encoders.tokens import Encoded
from inspector.bundle.schema import input_shape
from inspector.dataset.files import Recording
from inspector.training.config import ImageExpert
from inspector.training.errors import DistilError
from inspector.training.experts.augment import augment_pictures
from inspector.training.experts.gradient_descent import DescentSettings, gradient_descent
from inspector.training.experts.network import balance, multi_label_loss
from inspector.training.export import TrainedExpert
from inspector.training.inputs import build_encoder, cut, input_form, prepare


class Size(NamedTuple):
    parameters: int
    """Values in a checkpoint, including the supports of a kernel machine."""
    macs: int
    """Multiply-accumulate operations for one piece."""


def size_of(expert: TrainedExpert) -> Size:
    probe = torch.zeros(1, *input_shape(expert.input))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        expert.module.eval()(probe)
    kept = sum(tensor.numel() for tensor in expert.module.state_dict().values() if tensor.is_floating_point())
    return Size(kept, counter.get_total_flops() // 2)


SMALL = 0.1
"""Largest share of the teacher's parameters and MACs."""


def require_small(teacher: TrainedExpert, student: TrainedExpert) -> None:
    """Raises DistilError for a student that is too large to save much."""
    large, small = size_of(teacher), size_of(student)
    if small.parameters > SMALL * large.parameters or small.macs > SMALL * large.macs:
        raise DistilError(
            f"{student.name} would keep {small.parameters:,} of {large.parameters:,} parameters and {small.macs:,} of "
            f"{large.macs:,} MACs, more than {SMALL:.0%}: choose a smaller network or side, or a larger teacher"
        )


@dataclass(frozen=True)
class Shares:
    """Weights of the parts of the student's loss; 0 leaves a part out."""

    labels: float = 1.0
    teacher: float = 1.0
    tokens: float = 0.3


@dataclass(frozen=True, eq=False)
class DistillationData:
    """Recordings in full resolution, so that teacher and student can each resize them."""

    recordings: Sequence[Recording]
    targets: Float[Tensor, "R O"]
    shares: Shares
    descent: DescentSettings


def student_of(teacher: TrainedExpert, encoder: str, side_px: int) -> ImageExpert:
    """The teacher's configuration with another network over the whole picture at side_px x side_px."""
    if not isinstance(teacher.config, ImageExpert):
        raise DistilError(
            f"{teacher.name} reads the sensor {teacher.modality}: most of its cost is the spectrum, which a "
            "student would compute as well; name an expert of a camera"
        )
    return ImageExpert(
        name=teacher.name,
        modality=teacher.modality,
        scout=teacher.scout,
        encoder=encoder,
        height_px=side_px,
        width_px=side_px,
        num_channels=teacher.config.num_channels,
        interpolation=teacher.config.interpolation,
        turn=teacher.config.turn,
        jitter=teacher.config.jitter,
        fitting=teacher.config.fitting,
    )


def distil(
    teacher: TrainedExpert,
    students: Sequence[ImageExpert],
    data: DistillationData,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedExpert:
    """The last of the students; with several, each teaches the next (progressive). Raises DistilError."""
    require_small(teacher, _untrained(students[-1], teacher))
    for step, config in enumerate(students):

        def advance(done: int, total: int, before: int = step) -> None:
            progress(before * total + done, len(students) * total)

        teacher = _distilled(teacher, config, data, advance)
    return teacher


def _distilled(
    teacher: TrainedExpert, config: ImageExpert, data: DistillationData, progress: Callable[[int, int], None]
) -> TrainedExpert:
    student = _untrained(config, teacher)
    seen = [prepare(data.recordings, expert.input) for expert in (teacher, student)]
    weight, shares = balance(data.targets), data.shares
    student.module.train()

    def loss_of(rows: Tensor) -> Tensor:
        teacher_view, student_view = _same_change((seen[0][rows], seen[1][rows]), config)
        output: Encoded = student.module(cut(student_view, student.input))
        loss = shares.labels * multi_label_loss(output.logits, data.targets[rows], weight)
        if shares.teacher == 0 and shares.tokens == 0:
            return loss
        with torch.no_grad():
            target: Encoded = teacher.module(cut(teacher_view, teacher.input))
        return loss + _distance(output, target, shares)

    teacher.module.eval()
    gradient_descent(student.module, loss_of, len(data.recordings), data.descent, progress)
    student.module.eval()
    return student


def _distance(output: Encoded, target: Encoded, shares: Shares) -> Tensor:
    """Loss against the teacher's log-odds, and against its tokens relative to their size if the shapes match."""
    answers = multi_label_loss(output.logits, torch.sigmoid(target.logits), torch.ones(()))
    if output.tokens.shape != target.tokens.shape:
        return shares.teacher * answers
    tokens = nn.functional.mse_loss(output.tokens, target.tokens) / target.tokens.square().mean().clamp_min(1e-6)
    return shares.teacher * answers + shares.tokens * tokens


def _untrained(config: ImageExpert, teacher: TrainedExpert) -> TrainedExpert:
    """Untrained, with outputs of the teacher's widths."""
    form = input_form(config, [])
    with torch.no_grad():
        model: Encoded = teacher.module.eval()(torch.zeros(1, *input_shape(teacher.input)))
    widths = (model.tokens.shape[2], model.logits.shape[1] - 1)
    return TrainedExpert(config, form, build_encoder(config, form, widths, {}))


def _same_change(pictures: tuple[Tensor, Tensor], config: ImageExpert) -> tuple[Tensor, Tensor]:
    """Augments both resolutions in the same way: random changes are drawn per picture, not per pixel."""
    state = torch.get_rng_state()
    first = augment_pictures(pictures[0], config)
    torch.set_rng_state(state)
    return first, augment_pictures(pictures[1], config)
