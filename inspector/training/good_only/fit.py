"""Fits a bundle from good pieces alone, in seconds: a cold start without any defect.

Each camera gets a memory of places, each sensor (and wafer-like maps) a memory of one vector per recording. The head is
their noisy-or; limits come from held-out distances of the good pieces.
"""

import logging
import math
import platform
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from encoders.patches import NetworkPatches
from fusion.calibration import probability
from fusion.expert_sets import expert_sets
from fusion.head import Fused, FusionHead, HeadForm, Member
from inspector.bundle.schema import Calibration, Modality, Policy
from inspector.dataset.files import sources_of
from inspector.dataset.good_class import question, with_good
from inspector.dataset.labels import modalities_of, own_group
from inspector.dataset.manifest import ManifestError, PieceRow, read_manifest
from inspector.framing.tables import CameraFraming
from inspector.training.advice import Advice, advice_lines, give
from inspector.training.config import TrainConfigError
from inspector.training.data_advice import file_survey, manifest_advice
from inspector.training.experts.pretrained import file_advice, unused_file
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.framed import FramedReader, with_framings
from inspector.training.good_only.descriptors import (
    SEES,
    TOKEN_DIM,
    Backbone,
    GoodRecordings,
    describe,
    fit,
    make_descriptor,
)
from inspector.training.plausibility import with_plausibility

FEWEST = 10
"""Least good pieces, and recordings per modality: with fewer, the spread is a guess."""
FEWEST_GROUPS = 5
"""With fewer groups, recordings are held out instead of groups."""
PASS_SHARE = 0.9
"""Share of the good pieces that pass; since scores of defects are unknown, it only bounds the review work."""
NEVER = 1.0
"""FAIL limit that no score exceeds: even a limit three deviations above 20 good pieces rejected a ninth of new ones."""

FILTERS = "fixed filters"

Progress = Callable[[str, int, int], None]

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class GoodOptions:
    """Options of a run."""

    name: str = "good-only"
    version: str = "1"
    pieces: int | None = None
    """Number of good pieces; None: all."""
    any_split: bool = False
    """Also use good pieces of the splits calibration and test."""
    seed: int = 0
    backbone: Backbone | None = None
    """None: fixed filters."""
    pass_share: float = PASS_SHARE
    good: tuple[str, ...] = ()
    """Classes of the manifest that count as good."""
    strict: bool = False
    """Whether a warning stops the run."""
    cameras: Mapping[str, CameraFraming] = field(default_factory=dict)
    """Which part of a camera's pictures is judged."""


def fit_good_only(manifest: Path, options: GoodOptions, progress: Progress) -> TrainedBundle:
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
    return TrainedBundle(
        name=options.name,
        version=options.version,
        classes=(),
        token_dim=TOKEN_DIM,
        modalities=with_plausibility(manifest.parent, rows, [good.modality for good in recordings], experts),
        experts=tuple(experts),
        head=head,
        calibrations=calibrations(experts, head, held_by_piece(rows, held), options.pass_share),
        policy=Policy(mode="dense"),
        provenance=_provenance(rows, options),
        card=card(options, len(rows), list(zip(recordings, seen, strict=True)), warnings),
        warnings=warnings,
    )


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


def good_pieces(manifest: Path, options: GoodOptions) -> list[PieceRow]:
    """Pieces labelled ok; those with new recordings first."""
    known = with_good(read_manifest(manifest), options.good)
    if asked := question(known):
        raise ManifestError(f"{manifest}: {asked}")
    labelled = [row for row in known if row.label == "ok" and _paths(row)]
    rows = [row for row in labelled if options.any_split or row.split == "train"]
    random.Random(options.seed).shuffle(rows)  # noqa: S311 - no secret
    num_pieces = len(rows) if options.pieces is None else options.pieces
    chosen = _new_recordings_first(rows)[:num_pieces]
    if len(chosen) < FEWEST:
        where = "all splits" if options.any_split else "split train"
        raise ManifestError(
            f"{manifest}: {len(chosen)} good pieces with a recording in {where}, expected at least {FEWEST}: "
            "label more pieces ok"
            + ("" if options.any_split else ", or use all splits (--any-split)")
            + ("" if options.pieces is None else ", or raise --pieces")
        )
    return chosen


def _new_recordings_first(rows: Sequence[PieceRow]) -> list[PieceRow]:
    """First pieces with only new recordings, then those with some, then the rest."""
    order: list[PieceRow] = []
    known: set[str] = set()
    for quantifier in (all, any):
        for row in (row for row in rows if row not in order):
            paths = _paths(row)
            if quantifier(path not in known for path in paths):
                order.append(row)
                known.update(paths)
    return order + [row for row in rows if row not in order]


def _paths(row: PieceRow) -> list[str]:
    return [image.path for image in row.images] + [signal.path for signal in row.signals]


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


def noisy_or_head(members: Sequence[Member]) -> FusionHead:
    """The untrained fusion head, which is noisy-or of its experts."""
    return FusionHead(HeadForm(tuple(members), TOKEN_DIM, 0)).eval()


def held_by_piece(rows: Sequence[PieceRow], held: Sequence[tuple[GoodRecordings, Tensor]]) -> Float[Tensor, "P E"]:
    """Held-out log-odds of each piece, the highest of several images; NaN without a recording."""
    columns = []
    for good, logits in held:
        logit_of = dict(zip(good.paths, logits.tolist(), strict=True))
        seen = [sources_of(row, good.modality.name) for row in rows]
        columns.append([max((logit_of[source.path] for source in sources), default=math.nan) for sources in seen])
    return torch.tensor(columns).T


@torch.no_grad()
def calibrations(
    experts: Sequence[TrainedExpert], head: FusionHead, held_PE: Float[Tensor, "P E"], pass_share: float = PASS_SHARE
) -> tuple[Calibration, ...]:
    """Limits for every set of experts, from the head's scores of the good pieces."""
    names = [expert.name for expert in experts]
    result = []
    for chosen in expert_sets(experts):
        ran_E = torch.tensor([float(name in chosen) for name in names])
        able_P = ~held_PE[:, ran_E > 0].isnan().any(1)
        logits = fused(head, held_PE[able_P].nan_to_num() * ran_E, ran_E)
        scores = probability(logits.double().numpy(), 1.0, 0.0)
        limit = float(np.quantile(scores, pass_share)) if len(scores) >= FEWEST else 0.0
        result.append(Calibration(experts=chosen, temperature=1.0, bias=0.0, pass_below=limit, fail_above=NEVER))
    return tuple(result)


def fused(head: FusionHead, logits_PE: Float[Tensor, "P E"], ran_E: Float[Tensor, " E"]) -> Float[Tensor, " P"]:
    """The head's log-odds for experts that ran; an untrained head ignores tokens."""
    count = len(logits_PE)
    tokens = [torch.zeros(count, 1, TOKEN_DIM).expand(-1, int(n), -1) for n in head.get_buffer("spread_NE").sum(0)]
    output: Fused = head(tokens, [column[:, None] for column in logits_PE.T], ran_E.expand(count, -1))
    return output.logits[:, 0]


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


def card(
    options: GoodOptions,
    num_pieces: int,
    recordings: Sequence[tuple[GoodRecordings, str]],
    warnings: Sequence[Advice] = (),
) -> str:
    """Markdown of one page; `recordings`: those of each modality, with the subject of its description."""
    lines = [f"| {o.modality.name} | {len(o.recordings)} | {len(set(o.groups))} | {seen} |" for o, seen in recordings]
    return CARD.format(
        name=options.name,
        version=options.version,
        pieces=num_pieces,
        lines="\n".join(lines),
        share=options.pass_share,
        warnings="".join(f"{line}\n" for line in advice_lines(warnings)),
    )


CARD = """# {name} {version}: a cold start

**This bundle was fitted on good pieces alone and has not seen any defect.** It detects unusual pieces. Its score is no
probability of a defect, it names no class, it certifies no miss rate, and it never decides FAIL: a piece may be unusual
because of a new lamp or a new lot as well as a defect. A person reviews every piece that does not pass; label these
pieces and use them for `inspector train`.

{warnings}## Data

{pieces} good pieces.

| camera or sensor | recordings | groups | compared |
|---|---|---|---|
{lines}

## Limits

A share of {share} of the good pieces scores below the PASS limit, each compared with the recordings of other groups;
all other pieces go to REVIEW. The share of defective pieces that pass is unknown and may be high: on two lines of
photographed and tapped parts it was four in ten. Do not let this bundle decide alone.
"""
