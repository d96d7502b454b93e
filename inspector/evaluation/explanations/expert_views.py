"""Collects the output of the most thorough expert of a modality for every recording, once each.

The images that a camera took of one piece are one recording: the one most like a defect represents them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.schema import Expert, Modality
from inspector.dataset.files import sources_of
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import PieceRow
from inspector.evaluation.observations import observe
from inspector.framing.placement import Placement
from inspector.inference.batching import MAX_BATCH
from inspector.inference.examination import Examination, ExpertOutput
from inspector.inference.model import Model
from inspector.judging.class_scores import primary_expert
from streams.observation import Observation


@dataclass(frozen=True, eq=False)
class ExpertView:
    """One recording of one modality with the expert's output for it."""

    row: PieceRow
    piece: Observation
    """The first piece that has the recording."""
    expert: Expert
    output: ExpertOutput
    defective: bool
    """By the modality's own label, or else the piece's."""
    group: str
    placement: Placement | None = None
    """Where in the image the expert looked; None: everywhere, or a signal."""

    @property
    def only_image(self) -> bool:
        """The camera took no other of the piece."""
        return len(self.piece.views[self.expert.modality].images) == 1


def expert_views(model: Model, root: Path, rows: Sequence[PieceRow], modality: Modality) -> list[ExpertView]:
    firsts: dict[tuple[str, ...], PieceRow] = {}
    for row in rows:
        paths = tuple(source.path for source in sources_of(row, modality.name))
        if paths:
            firsts.setdefault(paths, row)
    first_rows = list(firsts.values())
    examination = Examination(model, [observe(root, row) for row in first_rows], MAX_BATCH)
    for expert in model.schema.experts:
        if expert.modality == modality.name:
            examination.run_expert(expert, range(len(first_rows)))
    return [
        ExpertView(
            row,
            examination.pieces[index],
            expert,
            examination.expert_outputs[index][expert.name],
            label == "nok",
            group,
            examination.placement(index, modality.name, examination.expert_outputs[index][expert.name].image),
        )
        for index, row in enumerate(first_rows)
        for label, group in [(own_label(row, modality) or row.label, own_group(row, modality))]
        for expert in [primary_expert(examination, index, modality.name)]
        if expert is not None and label != "unknown"
    ]
