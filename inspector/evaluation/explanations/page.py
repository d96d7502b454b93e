"""Writes the results about explanations as a page and as JSON. Computes nothing."""

from collections.abc import Iterator
from dataclasses import asdict
from json import dumps
from pathlib import Path

from inspector.evaluation.explanations.contributions import Contributions
from inspector.evaluation.explanations.deletion_test import Deletion
from inspector.evaluation.explanations.evaluate import Explanations, HeatMaps
from inspector.evaluation.explanations.localisation import CHANCE_OF_PRO, TOLERANCE_PX

NAMES = {"relevance": "heat map", "centre": "centred Gaussian", "edges": "edge strength"}


def write_explanations(explanations: Explanations, folder: Path) -> tuple[Path, Path]:
    """Writes `explanations.json` and `explanations.md` into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    figures, readable = folder / "explanations.json", folder / "explanations.md"
    figures.write_text(dumps(asdict(explanations), indent=2) + "\n", encoding="utf-8")
    readable.write_text(explanation_page(explanations), encoding="utf-8")
    return figures, readable


def explanation_page(explanations: Explanations) -> str:
    return "\n".join(
        [
            f"# Explanations of {explanations.bundle} on split {explanations.split}",
            "",
            *explanation_lines(explanations, "##"),
        ]
    )


def explanation_lines(explanations: Explanations, heading: str) -> list[str]:
    """Lines of Markdown; `heading` is the mark of their level."""
    lines = []
    for camera, maps in explanations.heat_maps.items():
        lines += [f"{heading} Heat maps of {camera} against masks", "", *_heat_maps(maps), ""]
    for modality, deletion in explanations.deletions.items():
        lines += [f"{heading} Evidence of {modality} erased", "", *_deletion(deletion), ""]
    if explanations.contributions is not None:
        lines += [f"{heading} Contributions per modality", "", *_contributions(explanations.contributions), ""]
    return lines


def _heat_maps(maps: HeatMaps) -> Iterator[str]:
    chance = maps.chance
    if not chance.images:
        yield f"Not tested: no defective image with a mask was seen by {maps.expert}."
        return
    yield f"{chance.images} defective images, seen by {maps.expert}; masks cover {chance.mask_share:.1%} of them."
    yield ""
    yield f"| map | pixel AUROC, pooled | by image | PRO to 0.3 | maximum within {TOLERANCE_PX} px of the mask |"
    yield "|---|---|---|---|---|"
    for name, score in maps.scores.items():
        figures = f"{score.pooled_auroc:.3f} | {score.image_auroc} | {score.pro:.3f} | {score.pointing:.2f}"
        yield f"| {NAMES[name]} | {figures} |"
    yield f"| chance | 0.500 | 0.500 | {CHANCE_OF_PRO:.3f} | {chance.pointing:.2f} |"


def _deletion(test: Deletion) -> Iterator[str]:
    if not test.recordings:
        left_out = f"{test.missed} that {test.expert} misses, {test.without_room} without room for another box"
        yield f"Not tested: no defective recording is fit for it. Left out: {left_out}."
        return
    yield (
        f"{test.recordings} defective recordings, caught by {test.expert}; the named box covers {test.box_share:.0%} "
        f"of the map. Left out: {test.missed} that it misses, {test.without_room} without room for another box."
    )
    yield ""
    yield "| erased | fall of the defect's log-odds | relevance in the named box falls | strongest place leaves it |"
    yield "|---|---|---|---|"
    yield f"| the named box | {test.drop} | {test.fades:.2f} | {test.moves:.2f} |"
    yield f"| a box elsewhere | {test.drop_elsewhere} | {test.fades_elsewhere:.2f} | {test.moves_elsewhere:.2f} |"
    yield f"| difference by recording | {test.advantage} | | |"


def _contributions(result: Contributions) -> Iterator[str]:
    if not result.verdicts:
        yield f"Not tested: no verdict compares modalities, {result.alone} rest on one alone."
        return
    correlations = ", ".join(f"{name} {value:.2f}" for name, value in result.gate_correlation.items())
    yield (
        f"{result.verdicts} verdicts compare modalities, {result.alone} rest on one alone. Largest difference to truly "
        f"leaving a modality out: {result.largest_difference:.1e} log-odds. Rank correlation with the gate's weight: "
        f"{correlations}."
    )
    if not result.blamed:
        return
    yield ""
    yield f"| named as the culprit by | share of {result.blamed} pieces with one defective modality |"
    yield "|---|---|"
    yield f"| largest contribution | {result.contribution_blames} |"
    yield f"| largest gate weight | {result.gate_blames} |"
