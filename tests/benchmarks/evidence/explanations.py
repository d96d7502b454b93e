"""Turns trained bundles into the table of their explanations' scores, on test splits. Knows no training."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from inspector.evaluation.explanations.deletion_test import Deletion
from inspector.evaluation.explanations.evaluate import Explanations, explain
from inspector.evaluation.explanations.localisation import CHANCE_OF_PRO, TOLERANCE_PX, Localisation
from inspector.statistics.bootstrap import Interval
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Table

COLUMNS = ("set", "figure", "explanation", "beside it", "chance")
Row = tuple[str, ...]


def run(bench: Bench) -> Table:
    trained = {name: [bench.trained(name, seed) for seed in bench.seeds] for name in bench.sets()}
    found = {name: [_explained(own) for own in seeds] for name, seeds in trained.items()}
    return Table(
        name="explanations",
        title="Explanations",
        asked="Do heat maps lie on the defects, does the score rest on the evidence named, do contributions say "
        "what a modality adds? Each figure stands beside what would do without looking.",
        columns=COLUMNS,
        rows=[row for name, seeds in found.items() for row in rows(name, seeds)],
        notes=[*NOTES, *_misses(found)],
        own={
            own.key: list(rows(name, [explained]))
            for name, seeds in trained.items()
            for own, explained in zip(seeds, found[name], strict=True)
        },
    )


NOTES = (
    "Mean and spread over benchmark seeds; with one seed, a 95 % interval by bootstrap over the recordings' groups. "
    "Every recording counts once. Command for one bundle: `inspector evaluate BUNDLE MANIFEST --explanations`.",
    "Heat maps are those of the most thorough image expert, enlarged to the mask. Pixel AUROC over defective images, "
    f"PRO to 0.3 false positives over good ones too; pointing tolerates {TOLERANCE_PX} px. Only tile_tap has masks.",
    "Erasing: in a signal, the band and stretch named is exchanged for that of four good recordings of the split in "
    "turn, made as loud (without frequencies, the stretch as it is); images are inpainted. Beside it, boxes of equal "
    "size elsewhere in the same recording. Silence and a straight line, which stood in before, are unusual themselves: "
    "on calibration recordings any band that fell silent lowered the score, and a straight line hid up to two fifths "
    "of what an exchange shows. Left out: recordings that the expert misses and those whose box leaves no room.",
    "Relevance of kernel machines (sounds, traces, small sets' scouts) is the gradient of their log-odds times the "
    "deviation from the usual good value, where it speaks for a defect. The deviation alone, which was shown before, "
    "named places that their log-odds do not rest on: with the fair exchange too, calibration recordings fell little "
    "more there than elsewhere.",
    "A verdict's contribution is leave-one-out in the head; it is compared with examining the piece without the "
    "recording. Gate weights are shown because they are often taken for explanations: where they correlate weakly or "
    "name the wrong modality, they are none.",
)


def _explained(trained: Trained) -> Explanations:
    return explain(trained.bundle, trained.manifest, "test", trained.seed)


def rows(name: str, seeds: Sequence[Explanations]) -> Iterator[Row]:
    """All figures of one set; `seeds` are its bundles."""
    for camera in seeds[0].heat_maps:
        yield from ((name, *row) for row in _heat_maps(camera, seeds))
    for modality in dict.fromkeys(modality for found in seeds for modality in found.deletions):
        own = [found.deletions[modality] for found in seeds if modality in found.deletions]
        yield from ((name, *row) for row in _deletions(modality, own))
    yield from ((name, *row) for row in _contributions(seeds))


def _heat_maps(camera: str, seeds: Sequence[Explanations]) -> Iterator[Row]:
    maps = [found.heat_maps[camera] for found in seeds]
    pointing = _text([own.chance.pointing for own in maps])
    figures: tuple[tuple[str, Callable[[Localisation], float | Interval], str], ...] = (
        ("pixel AUROC, pooled", lambda own: own.pooled_auroc, "0.500"),
        ("pixel AUROC, mean of images", lambda own: own.image_auroc, "0.500"),
        ("PRO", lambda own: own.pro, f"{CHANCE_OF_PRO:.3f}"),
        ("pointing game", lambda own: own.pointing, pointing),
    )
    for figure, read, by_chance in figures:
        ours, centre, edges = (
            _text([read(own.scores[kind]) for own in maps]) for kind in ("relevance", "centre", "edges")
        )
        yield f"{camera}: {figure}", ours, f"centre {centre}, edges {edges}", by_chance
    share = _text([own.chance.mask_share for own in maps])
    yield f"{camera}: share of a defective image that is marked", share, "", ""


def _deletions(modality: str, seeds: Sequence[Deletion]) -> Iterator[Row]:
    drop, elsewhere = _text([own.drop for own in seeds]), _text([own.drop_elsewhere for own in seeds])
    yield f"{modality}: fall of log-odds, evidence erased", drop, f"elsewhere {elsewhere}", "0"
    yield f"{modality}: difference by recording", _text([own.advantage for own in seeds]), "", "0"
    fades, moves = _text([own.fades for own in seeds]), _text([own.moves for own in seeds])
    fades_elsewhere = _text([own.fades_elsewhere for own in seeds])
    moves_elsewhere = _text([own.moves_elsewhere for own in seeds])
    yield f"{modality}: relevance in the box falls", fades, f"elsewhere {fades_elsewhere}", ""
    yield f"{modality}: strongest place leaves the box", moves, f"elsewhere {moves_elsewhere}", ""
    used, every = (sum(counts) for counts in zip(*map(_counts, seeds), strict=True))
    yield f"{modality}: defective recordings tested", f"{used} of {every}", "", ""


def _counts(own: Deletion) -> tuple[int, int]:
    return own.recordings, own.recordings + own.missed + own.without_room


def _contributions(seeds: Sequence[Explanations]) -> Iterator[Row]:
    every = [found.contributions for found in seeds if found.contributions is not None]
    if not every:
        yield "contributions", "none: every verdict rests on one modality", "", ""
        return
    largest = max(own.largest_difference for own in every)
    yield "contribution less truly leaving out, largest", f"{largest:.0e}", "", ""
    ours, gate = _text([own.contribution_blames for own in every]), _text([own.gate_blames for own in every])
    yield "names the one defective modality", ours, f"gate weight {gate}", "0.500"
    for modality in every[0].gate_correlation:
        value = _text([own.gate_correlation[modality] for own in every])
        yield f"{modality}: rank correlation of contribution and gate weight", value, "", "0"


def _misses(found: Mapping[str, Sequence[Explanations]]) -> Iterator[str]:
    """What the figures speak against."""
    for name, seeds in found.items():
        for modality in dict.fromkeys(modality for own in seeds for modality in own.deletions):
            tests = [own.deletions[modality] for own in seeds if modality in own.deletions]
            sure = sum(own.advantage.low > 0 for own in tests)
            if sure < len(tests):
                yield (
                    f"Missed: on {name} the box named for {modality} is surely better than one elsewhere with {sure} "
                    f"of {len(tests)} seeds only; there its evidence is a hint and no proof."
                )
        for camera in seeds[0].heat_maps:
            scores = [own.heat_maps[camera].scores for own in seeds]
            behind = sum(own["relevance"].image_auroc.mean <= own["edges"].image_auroc.mean for own in scores)
            if behind:
                yield f"Missed: on {name}, {behind} of {len(scores)} seeds, heat maps mark less than plain edges do."


def _text(values: Sequence[float | Interval]) -> str:
    """Mean and spread over seeds; of one seed, the value with its interval where it has one."""
    if len(values) == 1:
        return str(values[0]) if isinstance(values[0], Interval) else f"{values[0]:.3f}"
    means = np.array([value.mean if isinstance(value, Interval) else value for value in values])
    known = means[~np.isnan(means)]
    return spread(known.tolist()) if len(known) > 1 else "not defined"
