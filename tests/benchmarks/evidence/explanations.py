"""Table: scores of the explanations of trained bundles, on test splits."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from inspector.evaluation.explanations.deletion_test import Deletion
from inspector.evaluation.explanations.evaluate import Explanations, explain
from inspector.evaluation.explanations.localisation import CHANCE_OF_PRO, TOLERANCE_PX, Localisation
from inspector.statistics.bootstrap import Interval
from tests.benchmarks.evidence.bench import Bench, Trained
from tests.benchmarks.evidence.spread import spread
from tests.benchmarks.evidence.table import Table

COLUMNS = ("set", "figure", "explanation", "baseline", "chance")
Row = tuple[str, ...]


def run(bench: Bench) -> Table:
    trained = {name: [bench.trained(name, seed) for seed in bench.seeds] for name in bench.sets()}
    explained = {name: [_explained(bundle) for bundle in seeds] for name, seeds in trained.items()}
    return Table(
        name="explanations",
        title="Explanations",
        question="Do heat maps lie on the defects, does the score rest on the evidence named, do contributions say "
        "what a modality adds? Each figure has a baseline that does not look at the recording.",
        columns=COLUMNS,
        rows=[row for name, seeds in explained.items() for row in rows(name, seeds)],
        notes=[*NOTES, *_misses(explained)],
        bundle_rows={
            bundle.key: list(rows(name, [explanations]))
            for name, seeds in trained.items()
            for bundle, explanations in zip(seeds, explained[name], strict=True)
        },
    )


NOTES = (
    "Mean and spread over benchmark seeds; with one seed, a 95 % interval by bootstrap over the recordings' groups. "
    "Every recording counts once. Command for one bundle: `inspector evaluate BUNDLE MANIFEST --explanations`.",
    "Heat maps are those of the most thorough image expert, enlarged to the mask. Pixel AUROC over defective images, "
    f"PRO to 0.3 false positives over good ones too; pointing tolerates {TOLERANCE_PX} px. Only tile_tap has masks.",
    "Erasing: in a signal, the band and stretch named is replaced by that of four good recordings of the split in "
    "turn, made as loud (without frequencies, the stretch as it is); images are inpainted. The baseline erases boxes "
    "of equal size elsewhere in the same recording. An earlier version used silence and a straight line, which are "
    "unusual themselves: on calibration recordings any silenced band lowered the score, and a straight line hid up to "
    "two fifths of the effect of a replacement. Left out: recordings that the expert misses, and those whose box "
    "leaves no room.",
    "Relevance of kernel machines (sounds, traces, small sets' scouts) is the gradient of their log-odds times the "
    "deviation from the usual good value, where it points to a defect. An earlier version showed the deviation alone, "
    "which named places that their log-odds do not depend on: even with the fair replacement, calibration recordings "
    "fell little more there than elsewhere.",
    "A verdict's contribution is leave-one-out in the head; it is compared with examining the piece without the "
    "recording. Gate weights are shown because they are often used as explanations; where they correlate weakly or "
    "name the wrong modality, they explain nothing.",
)


def _explained(trained: Trained) -> Explanations:
    return explain(trained.bundle, trained.manifest, "test", trained.seed)


def rows(name: str, seeds: Sequence[Explanations]) -> Iterator[Row]:
    """All figures of one set; `seeds` are its bundles."""
    for camera in seeds[0].heat_maps:
        yield from ((name, *row) for row in _heat_maps(camera, seeds))
    for modality in dict.fromkeys(modality for seed in seeds for modality in seed.deletions):
        tests = [seed.deletions[modality] for seed in seeds if modality in seed.deletions]
        yield from ((name, *row) for row in _deletions(modality, tests))
    yield from ((name, *row) for row in _contributions(seeds))


def _heat_maps(camera: str, seeds: Sequence[Explanations]) -> Iterator[Row]:
    maps = [seed.heat_maps[camera] for seed in seeds]
    pointing = _text([heat_map.chance.pointing for heat_map in maps])
    figures: tuple[tuple[str, Callable[[Localisation], float | Interval], str], ...] = (
        ("pixel AUROC, pooled", lambda heat_map: heat_map.pooled_auroc, "0.500"),
        ("pixel AUROC, mean of images", lambda heat_map: heat_map.image_auroc, "0.500"),
        ("PRO", lambda heat_map: heat_map.pro, f"{CHANCE_OF_PRO:.3f}"),
        ("pointing game", lambda heat_map: heat_map.pointing, pointing),
    )
    for figure, read, by_chance in figures:
        ours, centre, edges = (
            _text([read(heat_map.scores[kind]) for heat_map in maps]) for kind in ("relevance", "centre", "edges")
        )
        yield f"{camera}: {figure}", ours, f"centre {centre}, edges {edges}", by_chance
    share = _text([heat_map.chance.mask_share for heat_map in maps])
    yield f"{camera}: share of a defective image that is marked", share, "", ""


def _deletions(modality: str, seeds: Sequence[Deletion]) -> Iterator[Row]:
    drop, elsewhere = _text([test.drop for test in seeds]), _text([test.drop_elsewhere for test in seeds])
    yield f"{modality}: fall of log-odds, evidence erased", drop, f"elsewhere {elsewhere}", "0"
    yield f"{modality}: difference by recording", _text([test.advantage for test in seeds]), "", "0"
    fades, moves = _text([test.fades for test in seeds]), _text([test.moves for test in seeds])
    fades_elsewhere = _text([test.fades_elsewhere for test in seeds])
    moves_elsewhere = _text([test.moves_elsewhere for test in seeds])
    yield f"{modality}: relevance in the box falls", fades, f"elsewhere {fades_elsewhere}", ""
    yield f"{modality}: strongest place leaves the box", moves, f"elsewhere {moves_elsewhere}", ""
    used, every = (sum(counts) for counts in zip(*map(_counts, seeds), strict=True))
    yield f"{modality}: defective recordings tested", f"{used} of {every}", "", ""


def _counts(test: Deletion) -> tuple[int, int]:
    return test.recordings, test.recordings + test.missed + test.without_room


def _contributions(seeds: Sequence[Explanations]) -> Iterator[Row]:
    every = [seed.contributions for seed in seeds if seed.contributions is not None]
    if not every:
        yield "contributions", "none: every verdict rests on one modality", "", ""
        return
    largest = max(contributions.largest_difference for contributions in every)
    yield "contribution less truly leaving out, largest", f"{largest:.0e}", "", ""
    ours, gate = (
        _text([contributions.contribution_blames for contributions in every]),
        _text([contributions.gate_blames for contributions in every]),
    )
    yield "names the one defective modality", ours, f"gate weight {gate}", "0.500"
    for modality in every[0].gate_correlation:
        value = _text([contributions.gate_correlation[modality] for contributions in every])
        yield f"{modality}: rank correlation of contribution and gate weight", value, "", "0"


def _misses(explained: Mapping[str, Sequence[Explanations]]) -> Iterator[str]:
    """Notes on figures that miss what explanations should show."""
    for name, seeds in explained.items():
        for modality in dict.fromkeys(modality for seed in seeds for modality in seed.deletions):
            tests = [seed.deletions[modality] for seed in seeds if modality in seed.deletions]
            sure = sum(seed.advantage.low > 0 for seed in tests)
            if sure < len(tests):
                yield (
                    f"Missed: on {name} the box named for {modality} is surely better than one elsewhere with only "
                    f"{sure} of {len(tests)} seeds; there the evidence is a hint, not a proof."
                )
        for camera in seeds[0].heat_maps:
            scores = [seed.heat_maps[camera].scores for seed in seeds]
            behind = sum(seed["relevance"].image_auroc.mean <= seed["edges"].image_auroc.mean for seed in scores)
            if behind:
                yield f"Missed: on {name}, {behind} of {len(scores)} seeds, heat maps mark less than plain edges do."


def _text(values: Sequence[float | Interval]) -> str:
    """Mean and spread over seeds; of one seed, the value with its interval where it has one."""
    if len(values) == 1:
        return str(values[0]) if isinstance(values[0], Interval) else f"{values[0]:.3f}"
    means = np.array([value.mean if isinstance(value, Interval) else value for value in values])
    known = means[~np.isnan(means)]
    return spread(known.tolist()) if len(known) > 1 else "not defined"
