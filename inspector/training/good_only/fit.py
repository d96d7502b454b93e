"""Makes a bundle from good pieces alone, in seconds: a cold start. Knows no defect, and its bundle says so.

Per camera a memory of places, per sensor (and for wafer-like maps) a memory of one vector per recording; the head is
noisy-or of them; limits come from held-out distances of the good pieces themselves.
"""

import logging
import math
import platform
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from inspector.dataset.files import read_source, sources_of
from inspector.dataset.labels import modalities_of, own_group
from inspector.dataset.manifest import ManifestError, PieceRow, read_manifest
from inspector.training.advice import Advice, advice_lines, give
from inspector.training.data_advice import file_survey, manifest_advice
from inspector.training.experts.pretrained import file_advice, unused_file
from inspector.training.export import TrainedBundle, TrainedExpert
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
"""Good pieces, and recordings per modality, below which a spread is a guess."""
FEWEST_GROUPS = 5
"""With fewer groups, what is held out is a recording rather than its group."""
PASS_SHARE = 0.9
"""Of the good pieces; what a defect scores is not known, so this bounds a person's work and nothing else."""
NEVER = 1.0
"""FAIL above this. Three deviations beyond the most unusual of 20 good pieces lay up to a ninth of new good ones."""

FILTERS = "fixed filters"

Progress = Callable[[str, int, int], None]

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class GoodOptions:
    """What may differ from run to run."""

    name: str = "good-only"
    version: str = "1"
    pieces: int | None = None
    """How many good pieces; None: all."""
    any_split: bool = False
    """Also good pieces of the splits calibration and test."""
    seed: int = 0
    backbone: Backbone | None = None
    """None: fixed filters."""
    pass_share: float = PASS_SHARE
    strict: bool = False
    """Whether a warning ends it."""


def fit_good_only(manifest: Path, options: GoodOptions, progress: Progress) -> TrainedBundle:
    """Raises ManifestError for data that cannot be fitted on."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    rows = good_pieces(manifest, options)
    warnings = give(_backbone_advice(options.backbone), strict=options.strict)
    warnings += give(file_survey(manifest, rows), strict=options.strict)
    warnings += give(manifest_advice(manifest), strict=options.strict)
    recordings = [good_recordings(manifest.parent, rows, modality) for modality in modalities_of(rows)]
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


def _backbone_advice(backbone: Backbone | None) -> Iterator[Advice]:
    """Raises TrainConfigError for a file that is not of that network."""
    if backbone is not None and backbone.weights.file is not None:
        yield from file_advice(backbone.name, backbone.weights.file)


def good_pieces(manifest: Path, options: GoodOptions) -> list[PieceRow]:
    """Pieces labelled ok, in an order in which each brings recordings not seen before, as long as there are any."""
    labelled = [row for row in read_manifest(manifest) if row.label == "ok" and _paths(row)]
    rows = [row for row in labelled if options.any_split or row.split == "train"]
    random.Random(options.seed).shuffle(rows)  # noqa: S311 - no secret
    num_pieces = len(rows) if options.pieces is None else options.pieces
    chosen = _by_news(rows)[:num_pieces]
    if len(chosen) < FEWEST:
        where = "all splits" if options.any_split else "split train"
        raise ManifestError(
            f"{manifest}: {len(chosen)} good pieces with a recording in {where}, expected at least {FEWEST}: "
            "label more pieces ok"
            + ("" if options.any_split else ", or take those of all splits (--any-split)")
            + ("" if options.pieces is None else ", or ask for more (--pieces)")
        )
    return chosen


def _by_news(rows: Sequence[PieceRow]) -> list[PieceRow]:
    """First the pieces all of whose recordings are new, then those that bring any, then the rest."""
    order: list[PieceRow] = []
    known: set[str] = set()
    for demand in (all, any):
        for row in (row for row in rows if row not in order):
            paths = _paths(row)
            if demand(path not in known for path in paths):
                order.append(row)
                known.update(paths)
    return order + [row for row in rows if row not in order]


def _paths(row: PieceRow) -> list[str]:
    return [image.path for image in row.images] + [signal.path for signal in row.signals]


def good_recordings(root: Path, rows: Sequence[PieceRow], modality: Modality) -> GoodRecordings:
    """Raises ManifestError where there are too few, or signals of several rates.

    Several images of one piece are one recording where recordings are counted or held out.
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
    return GoodRecordings(
        modality,
        tuple(sources_by_path),
        tuple(read_source(root, source) for source in sources_by_path.values()),
        tuple(groups[path] if whole else first[path] for path in sources_by_path),
    )


def noisy_or_head(members: Sequence[Member]) -> FusionHead:
    """The fusion head as it starts: nothing is learned, for there is nothing to learn from."""
    return FusionHead(HeadForm(tuple(members), TOKEN_DIM, 0)).eval()


def held_by_piece(rows: Sequence[PieceRow], held: Sequence[tuple[GoodRecordings, Tensor]]) -> Float[Tensor, "P E"]:
    """Held-out log-odds of each piece, of several images the highest; NaN where it has none."""
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
    """Limits for every set of experts, from what the head says of the good pieces."""
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
    """The head's log-odds for experts that ran; tokens say nothing to a head that has learned nothing."""
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
    """Markdown of one page; beside the recordings of each modality, what is looked at."""
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

**This bundle has seen good pieces alone and knows no defect.** It tells what is unusual. Its score is no probability
of a defect, it names no class, it certifies nothing about misses, and it never says FAIL: that a piece is far from
all good ones may come from a new lamp or a new lot as well as from a defect. A person looks at what is not PASS, and
what that person finds is the data for `inspector train`.

{warnings}## Data

{pieces} good pieces.

| camera or sensor | recordings | of groups | what is compared |
|---|---|---|---|
{lines}

## Limits

PASS lies below the score that a share of {share} of the good pieces stay under, each measured against the recordings
of other groups; the rest goes to REVIEW. How many defective pieces pass is not known, and may be many: on two
lines of photographed and tapped parts it was four in ten. Do not let this bundle decide alone.
"""
