"""Tests whether a bundle's explanations are true: heat maps, erased evidence, contributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inspector.dataset.bit_depths import demand_bit_depths
from inspector.dataset.files import read_mask as read_mask_file
from inspector.dataset.good_class import as_trained
from inspector.dataset.manifest import ManifestError, Split, read_manifest
from inspector.evaluation.explanations.contributions import Contributions, contributions
from inspector.evaluation.explanations.deletion_test import Deletion, deletion
from inspector.evaluation.explanations.expert_views import ExpertView, expert_views
from inspector.evaluation.explanations.localisation import (
    Chance,
    Localisation,
    Mask,
    centred,
    chance,
    edges,
    enlarged,
    localise,
)
from inspector.evaluation.run import open_bundle


@dataclass(frozen=True)
class HeatMaps:
    """One camera's heat maps against the masks, and baseline maps that do not depend on defects."""

    expert: str
    chance: Chance
    scores: Mapping[str, Localisation]
    """Of `relevance`, `centre` and `edges`."""


@dataclass(frozen=True)
class Explanations:
    bundle: str
    split: str
    heat_maps: Mapping[str, HeatMaps]
    """By camera; only where the manifest has masks."""
    deletions: Mapping[str, Deletion]
    """By modality; only where something could be erased."""
    contributions: Contributions | None


def explain(bundle: Path, manifest: Path, split: Split, seed: int = 0) -> Explanations:
    """`seed` chooses the boxes elsewhere and the resamplings."""
    model, root = open_bundle(bundle), manifest.parent
    rows = as_trained(model.schema.provenance, read_manifest(manifest, split))
    demand_bit_depths(rows, model.schema.modalities)
    seen = {modality.name: expert_views(model, root, rows, modality) for modality in model.schema.modalities}
    cameras = [modality.name for modality in model.schema.modalities if modality.kind == "image"]
    maps = {name: heat_maps(root, seen[name], seed) for name in cameras}
    deletions = {name: deletion(model, views, seed) for name, views in seen.items()}
    return Explanations(
        bundle=model.schema.name,
        split=split,
        heat_maps={name: scores for name, scores in maps.items() if scores is not None},
        deletions={name: test for name, test in deletions.items() if test is not None},
        contributions=contributions(model, root, rows, seed),
    )


def heat_maps(root: Path, seen: Sequence[ExpertView], seed: int) -> HeatMaps | None:
    """Over the images that have a mask and the good ones; None without masks.

    Where a camera took several images, the manifest does not say which one the mask belongs to.
    """
    known = [view for view in seen if not view.defective or (view.row.mask and view.only_image)]
    masks = [read_mask(root, view) for view in known]
    if not any(mask.any() for mask in masks):
        return None
    images = [view.piece.views[view.expert.modality].images[view.output.image] for view in known]
    relevance = [view.output.outputs["relevance"].astype(np.float32) for view in known]
    maps = {
        "relevance": [
            enlarged(map_, mask, view.placement) for map_, mask, view in zip(relevance, masks, known, strict=True)
        ],
        "centre": [centred(mask) for mask in masks],
        "edges": [edges(image) for image in images],
    }
    groups = [view.group for view in known]
    scores = {name: localise(scored, masks, groups, seed) for name, scored in maps.items()}
    return HeatMaps(known[0].expert.name, chance(masks), scores)


def read_mask(root: Path, view: ExpertView) -> Mask:
    """True where the image shows the defect. Raises ManifestError."""
    size = view.piece.views[view.expert.modality].images[view.output.image].shape[:2]
    if not view.defective or view.row.mask is None:
        return np.zeros(size, np.bool_)
    path = root / view.row.mask
    grey = read_mask_file(path)
    if grey.shape != size:
        raise ManifestError(
            f"{path}: has {grey.shape[0]} x {grey.shape[1]} px, "
            f"expected a mask of {size[0]} x {size[1]} px like its image; correct the file"
        )
    mask: Mask = grey > 127
    return mask
