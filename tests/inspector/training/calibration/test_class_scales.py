"""Scales of classes: probabilities by the log-odds of a class, drawn to one scale by independent parts."""

import numpy as np
import pytest

from fusion.calibration import Scores, probability
from inspector.bundle.schema import ClassScale, Modality
from inspector.dataset.manifest import ImageRow, PieceRow
from inspector.training.calibration.class_scales import ENOUGH_PARTS, class_scales

pytestmark = pytest.mark.train
TOP = Modality(name="top", kind="image", classes=("crack", "stain"))
NUM = 1500


def row(number: int, defect: str, picture: int | None = None) -> PieceRow:
    picture = number if picture is None else picture
    return PieceRow(
        piece_id=f"p{number}",
        images=(ImageRow(camera="top", path=f"{picture}.png"),),
        label="nok" if defect else "ok",
        defects=(defect,) if defect else (),
        split="calibration",
        groups={"image": f"g{picture}"},
    )


def scaled(rows: list[PieceRow], logits_PK: Scores) -> dict[str, ClassScale]:
    return class_scales(rows, logits_PK, np.ones(len(rows), np.bool_), ("crack", "stain"), [TOP])


def drawn(seed: int, num: int) -> tuple[list[PieceRow], Scores]:
    """Margins of a kernel machine: log-odds of a class are three times as far. A third is good."""
    random = np.random.default_rng(seed)
    margins = random.normal(0, 1, num)
    is_crack = random.random(num) < probability(margins, 1 / 3, -1.0)
    others = np.where(random.random(num) < 0.5, "", "stain")
    rows = [row(n, "crack" if crack else str(others[n])) for n, crack in enumerate(is_crack.tolist())]
    stains = np.array([piece.defects == ("stain",) for piece in rows])
    return rows, np.stack([margins, random.normal(0, 1, num) + stains], axis=1)


def test_a_score_is_the_share_of_pieces_that_have_the_class() -> None:
    rows, logits = drawn(0, NUM)
    scale = scaled(rows, logits)["crack"]
    assert not scale.shared
    scores = probability(logits[:, 0], 1 / scale.slope, scale.bias)
    shows = np.array([piece.defects == ("crack",) for piece in rows])
    for low in np.arange(0, 1, 0.2):
        here = (scores >= low) & (scores < low + 0.2)
        assert shows[here].mean() == pytest.approx(scores[here].mean(), abs=0.1)


def test_defective_pieces_that_name_no_class_teach_nothing() -> None:
    rows, logits = drawn(1, 100)
    bare = row(900, "").model_copy(update={"label": "nok"})
    assert scaled([*rows, bare], np.vstack([logits, [[9.0, 9.0]]])) == scaled(rows, logits)


def test_a_class_with_too_few_parts_keeps_the_scale_of_all_classes() -> None:
    rows, logits = drawn(2, 200)
    few = [piece for piece in rows if piece.defects != ("stain",)]
    few += [piece for piece in rows if piece.defects == ("stain",)][: ENOUGH_PARTS - 1]
    kept = [rows.index(piece) for piece in few]
    scales = scaled(few, logits[kept])
    assert (scales["stain"].shared, scales["stain"].parts) == (True, ENOUGH_PARTS - 1)
    assert not scales["crack"].shared


def test_recordings_that_cannot_show_a_class_do_not_count_for_it() -> None:
    """Many tiles with one motor: for a class of tiles they are as many as there are tiles."""
    rows, logits = drawn(5, 200)
    paired = [piece.model_copy(update={"groups": {**piece.groups, "signal": "motor"}}) for piece in rows]
    labels = [{"image": piece.label, "signal": "ok"} for piece in rows]
    both = [piece.model_copy(update={"modality_labels": own}) for piece, own in zip(paired, labels, strict=True)]
    mic = Modality(name="mic", kind="audio")
    able = np.ones(len(rows), np.bool_)
    assert class_scales(both, logits, able, ("crack", "stain"), [TOP, mic]) == scaled(rows, logits)


def test_forty_pieces_of_one_picture_are_one_part() -> None:
    rows = [row(number, "crack", picture=0) for number in range(40)]
    assert scaled(rows, np.zeros((40, 2)))["crack"].parts == 1


def test_the_more_parts_a_class_has_the_further_it_lies_from_the_shared_scale() -> None:
    """A class whose margins mean twice as much as those of the other class."""

    def ratio_of(num: int) -> float:
        random = np.random.default_rng(3)
        margins, others = random.normal(0, 1, (2, num))
        crack = random.random(num) < probability(margins, 1 / 6, 0.0)
        stain = random.random(num) < probability(others, 1 / 2, 0.0)
        names = np.where(crack, "crack", np.where(stain, "stain", ""))
        rows = [row(number, str(name)) for number, name in enumerate(names)]
        scales = scaled(rows, np.stack([margins, others], axis=1))
        return scales["crack"].slope / scales["stain"].slope

    assert ratio_of(1500) > ratio_of(60) > 1


def test_without_any_defect_log_odds_stay_as_they_are() -> None:
    scales = scaled([row(0, ""), row(1, "")], np.zeros((2, 2)))
    assert [(scale.slope, scale.bias, scale.shared) for scale in scales.values()] == [(1.0, 0.0, True)] * 2
