"""Scales of classes: the share of a class among defective pieces, drawn to one scale by independent parts."""

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
    """Margins of a kernel machine: log-odds of a class are three times as far."""
    random = np.random.default_rng(seed)
    margins = random.normal(0, 1, num)
    is_crack = random.random(num) < probability(margins, 1 / 3, 0.5)
    rows = [row(number, "crack" if crack else "stain") for number, crack in enumerate(is_crack.tolist())]
    return rows, np.stack([margins, -margins], axis=1)


def test_a_score_is_the_share_of_the_class_among_defective_pieces_with_that_score() -> None:
    rows, logits = drawn(0, NUM)
    scale = scaled(rows, logits)["crack"]
    assert not scale.shared
    shares = probability(logits[:, 0], 1 / scale.slope, scale.bias)
    shows = np.array([piece.defects == ("crack",) for piece in rows])
    for low in np.arange(0, 1, 0.2):
        here = (shares >= low) & (shares < low + 0.2)
        assert shows[here].mean() == pytest.approx(shares[here].mean(), abs=0.08)


def test_good_pieces_and_pieces_that_name_no_class_teach_nothing() -> None:
    rows, logits = drawn(1, 100)
    bare = row(900, "").model_copy(update={"label": "nok"})
    more = [*rows, row(901, ""), bare]
    assert scaled(more, np.vstack([logits, [[9.0, 9.0], [9.0, 9.0]]])) == scaled(rows, logits)


def test_a_class_with_too_few_parts_keeps_the_scale_of_all_classes() -> None:
    rows, logits = drawn(2, 200)
    few = [piece for piece in rows if piece.defects == ("crack",)]
    few += [piece for piece in rows if piece.defects == ("stain",)][: ENOUGH_PARTS - 1]
    kept = [rows.index(piece) for piece in few]
    scales = scaled(few, logits[kept])
    assert (scales["stain"].shared, scales["stain"].parts) == (True, ENOUGH_PARTS - 1)
    assert not scales["crack"].shared


def test_forty_pieces_of_one_picture_are_one_part() -> None:
    rows = [row(number, "crack", picture=0) for number in range(40)]
    assert scaled(rows, np.zeros((40, 2)))["crack"].parts == 1


def test_with_few_parts_a_scale_lies_near_the_shared_one_and_with_many_where_the_pieces_are() -> None:
    """A class whose margins mean something else than those of the other class."""

    def slope_of(num: int) -> tuple[float, float]:
        random = np.random.default_rng(3)
        margins = random.normal(0, 1, num)
        crack = random.random(num) < probability(margins, 1 / 6, 0.0)
        rows = [row(number, "crack" if one else "stain") for number, one in enumerate(crack.tolist())]
        scales = scaled(rows, np.stack([margins, random.normal(0, 1, num)], axis=1))
        return scales["crack"].slope, scales["stain"].slope

    (few, other_few), (many, other_many) = slope_of(30), slope_of(3000)
    assert many > 1.5 * few
    assert many / other_many > few / other_few


def test_without_any_defective_piece_log_odds_stay_as_they_are() -> None:
    scales = scaled([row(0, ""), row(1, "")], np.zeros((2, 2)))
    assert [(scale.slope, scale.bias, scale.shared) for scale in scales.values()] == [(1.0, 0.0, True)] * 2
