"""Data sets that leak are refused; folds share no group."""

import numpy as np
import pytest

from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow
from inspector.dataset.splits import crossed_folds, demand_grouped_splits, folds, scarcer, unit_folds


def piece(name, split, groups, image="a.png"):
    return PieceRow(piece_id=name, split=split, groups=groups, images=(ImageRow(camera="top", path=image),))


def test_splits_by_group_are_accepted():
    rows = [piece("1", "train", {"image": "a"}), piece("2", "test", {"image": "b"}, "b.png")]
    demand_grouped_splits(rows)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (piece("2", "test", {}, "b.png"), "1 of 2 pieces have no groups, first 2"),
        (piece("2", "test", {"image": "a", "lot": "y"}, "b.png"), "group image=a in test, train"),
        (piece("2", "test", {"image": "b", "lot": "x"}, "b.png"), "group lot=x in test, train"),
        (piece("2", "test", {"image": "b", "lot": "y"}, "a.png"), "file a.png in test, train"),
    ],
)
def test_leaking_splits_are_refused_with_what_leaks(second, message):
    with pytest.raises(ManifestError, match=message):
        demand_grouped_splits([piece("1", "train", {"image": "a", "lot": "x"}), second])


def test_the_same_value_of_two_kinds_is_not_the_same_group():
    demand_grouped_splits([piece("1", "train", {"image": "a"}), piece("2", "test", {"signal": "a"}, "b.png")])


def test_folds_are_of_about_equal_size_and_depend_on_the_seed_alone():
    groups = [f"g{index % 20}" for index in range(200)]
    chosen = folds(groups, 3, seed=1)
    sizes = [sum(chosen[group] == fold for group in groups) for fold in range(3)]
    assert max(sizes) - min(sizes) <= 10
    assert chosen == folds(groups, 3, seed=1) != folds(groups, 3, seed=2)


def test_each_fold_gets_its_share_of_the_scarcer_label():
    groups = [f"g{index:02}" for index in range(60) for _ in range(1 + index % 3)]
    rare = [group >= "g54" for group in groups]
    for seed in range(20):
        chosen = folds(groups, 5, seed, rare)
        held = [{group for group in chosen if chosen[group] == fold} for fold in range(5)]
        assert [sum(group >= "g54" for group in names) for names in held].count(2) == 1
        assert all(any(group >= "g54" for group in names) for names in held)
        sizes = [sum(group in names for group in groups) for names in held]
        assert max(sizes) - min(sizes) <= 3


def test_the_scarcer_label_is_that_of_fewer_recordings():
    assert scarcer([True, False, False]) == [True, False, False]
    assert scarcer([True, True, False]) == [False, False, True]


def test_what_is_scored_shares_no_group_with_what_is_fitted_on():
    groups = [{"image": f"i{n % 12}", "signal": f"s{n % 7}"} for n in range(80)]
    scored = []
    for fit, score in crossed_folds(groups, 3, seed=0):
        for kind in ("image", "signal"):
            assert {groups[i][kind] for i in fit}.isdisjoint(groups[i][kind] for i in score)
        assert fit
        scored += score
    assert sorted(scored) == list(range(80))


def test_pieces_without_a_kind_of_group_share_none_of_it_and_learn_from_all_others():
    pictures = [{"image": f"i{n % 9}"} for n in range(18)]
    groups = [
        *pictures,
        *({"signal": f"s{n % 5}"} for n in range(10)),
        *({"image": f"i{n % 9}", "signal": f"s{n % 5}"} for n in range(20)),
    ]
    scored = []
    for fit, score in crossed_folds(groups, 3, seed=0):
        for kind in ("image", "signal"):
            fitted_on = {groups[i].get(kind) for i in fit} - {None}
            assert fitted_on.isdisjoint(groups[i].get(kind) for i in score)
        assert any("signal" not in groups[i] for i in fit)
        assert any("image" not in groups[i] for i in fit)
        scored += score
    assert sorted(scored) == list(range(len(groups)))


def test_unit_folds_share_no_unit_and_judge_each_piece_once() -> None:
    units = [{f"picture={i // 2}", f"sound={i * 7 % 200 // 2}"} if i % 3 else {f"picture={i // 2}"} for i in range(200)]
    pairs = unit_folds(units, num_folds=5, seed=3)
    for learn, judge in pairs:
        fitted = {unit for piece in np.flatnonzero(learn) for unit in units[piece]}
        assert not any(units[piece] & fitted for piece in np.flatnonzero(judge))
        assert learn.sum() > 50
    np.testing.assert_array_equal(np.sum([judge for _, judge in pairs], axis=0), 1)


def test_a_kind_of_which_all_share_one_group_does_not_keep_pieces_from_being_fitted_on():
    groups = [{"image": f"i{n % 6}", "lot": "only"} for n in range(24)]
    pairs = crossed_folds(groups, 3, seed=0)
    assert sorted(index for _, score in pairs for index in score) == list(range(24))
    for fit, score in pairs:
        assert fit
        assert {groups[i]["image"] for i in fit}.isdisjoint(groups[i]["image"] for i in score)
