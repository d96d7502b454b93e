"""Fits a bundle from good pieces alone, in seconds: a cold start without any defect.

Each camera gets a memory of places, each sensor (and wafer-like maps) a memory of one vector per recording. The head is
their noisy-or; limits come from held-out distances of the good pieces.
"""

import logging
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from encoders.patches import NetworkPatches
from fusion.head import Member
from inspector.bundle.schema import Modality, Policy
from inspector.dataset.files import sources_of
from inspector.dataset.labels import modalities_of, own_group
from inspector.dataset.manifest import ManifestError, PieceRow
from inspector.framing.tables import CameraFraming
from inspector.training.advice import Advice, give
from inspector.training.config import TrainConfigError
from inspector.training.data_advice import file_survey, manifest_advice
from inspector.training.experts.pretrained import file_advice, unused_file
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.framed import FramedReader, with_framings
from inspector.training.good_only.card import card
from inspector.training.good_only.descriptors import (
    SEES,
    TOKEN_DIM,
    Backbone,
    GoodRecordings,
    describe,
    fit,
    make_descriptor,
)
from inspector.training.good_only.good_pieces import FEWEST, GoodOptions, good_pieces
from inspector.training.good_only.limits import calibrations, held_by_piece, noisy_or_head
from inspector.training.plausibility import with_plausibility

FEWEST_GROUPS = 5
"""With fewer groups, recordings are held out instead of groups."""

FILTERS = "fixed filters"

Progress = Callable[[str, int, int], None]

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True, eq=False)
class GoodFit:
    """A bundle, and the scores of the good pieces by recordings of other groups."""

    bundle: TrainedBundle
    rows: Sequence[PieceRow]
    held_logits: Float[Tensor, "P E"]
    """Of each piece by each expert; NaN without a recording."""


def fit_good_only(manifest: Path, options: GoodOptions, progress: Progress) -> GoodFit:
    """Raises ManifestError for unusable data."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rows = good_pieces(manifest, options)
    warnings = give(_backbone_advice(options.backbone), strict=options.strict)
    warnings += give(file_survey(manifest, rows, progress), strict=options.strict)
    warnings += give(manifest_advice(manifest), strict=options.strict)
    _refuse_tiles(options.cameras)
    modalities = with_framings(manifest, rows, modalities_of(rows), options.cameras)
    recordings = [good_recordings(manifest.parent, rows, modality) for modality in modalities]
    experts, held, seen = [], [], []
    for good in recordings:
        descriptor = make_descriptor(good, options.backbone)
        described = describe(descriptor, good.recordings, partial(progress, good.modality.name))
        fitted = fit(descriptor, described, good.groups)
        experts.append(TrainedExpert(descriptor.config, descriptor.form, fitted.module))
        held.append((good, fitted.held))
        seen.append(SEES[type(descriptor.describer)])
    if options.backbone is not None and SEES[NetworkPatches] not in seen:
        warnings += give([unused_file(options.backbone.name)], strict=options.strict)
    head = noisy_or_head([Member(e.modality, e.num_tokens) for e in experts])
    held_PE = held_by_piece(rows, held)
    num, subjects = len(rows), list(zip(recordings, seen, strict=True))
    bundle = TrainedBundle(
        name=options.name,
        version=options.version,
        classes=(),
        token_dim=TOKEN_DIM,
        modalities=with_plausibility(manifest.parent, rows, [good.modality for good in recordings], experts),
        experts=tuple(experts),
        head=head,
        calibrations=calibrations(experts, head, held_PE, options.pass_share),
        policy=Policy(mode="dense"),
        provenance=_provenance(rows, options),
        card=card(options.name, options.version, options.pass_share, num, subjects, warnings),
        warnings=warnings,
    )
    return GoodFit(bundle, rows, held_PE)


def _refuse_tiles(cameras: Mapping[str, CameraFraming]) -> None:
    """Raises TrainConfigError."""
    for name, camera in cameras.items():
        if camera.tiles is not None:
            raise TrainConfigError(
                f"[cameras.{name}.tiles]: a fit of good pieces scores a fifth of the picture's places together, and a "
                "defect that only tiles show is lost in it; draw a small region instead, or use `inspector train`"
            )


def _backbone_advice(backbone: Backbone | None) -> Iterator[Advice]:
    """Raises TrainConfigError for a file of another network."""
    if backbone is not None and backbone.weights.file is not None:
        yield from file_advice(backbone.name, backbone.weights.file)


def good_recordings(root: Path, rows: Sequence[PieceRow], modality: Modality) -> GoodRecordings:
    """Raises ManifestError if there are too few recordings.

    Several images of one piece count, and are held out, as one recording.
    """
    seen = [(row, sources) for row in rows if (sources := sources_of(row, modality.name))]
    groups = {source.path: own_group(row, modality) for row, sources in seen for source in sources}
    first = {source.path: sources[0].path for _, sources in seen for source in sources}
    sources_by_path = {source.path: source for _, sources in seen for source in sources}
    if (num := len(set(first.values()))) < FEWEST:
        raise ManifestError(
            f"{modality.name} has {num} recordings in {len(rows)} good pieces, expected at least {FEWEST}: "
            "record more good pieces with it, or leave it out of the manifest"
        )
    whole = len(set(groups.values())) >= FEWEST_GROUPS
    reader = FramedReader(root, modality)
    framed = [reader.read(source) for source in sources_by_path.values()]
    reader.refuse()
    return GoodRecordings(
        modality,
        tuple(sources_by_path),
        tuple(one.recording for one in framed if one is not None),
        tuple(groups[path] if whole else first[path] for path in sources_by_path),
    )


def _provenance(rows: Sequence[PieceRow], options: GoodOptions) -> dict[str, str | int | float]:
    return {
        "trained_on": "good pieces only",
        "defects_known": 0,
        "good_pieces": len(rows),
        "backbone": options.backbone.name if options.backbone else FILTERS,
        "seed": options.seed,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
