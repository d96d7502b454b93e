"""Groups stay whole, and splits come near to their shares."""

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.review.export.grouping import Member, place


def members(count: int, lots: int) -> list[Member]:
    return [
        Member(f"p{n}", "nok" if n % 3 == 0 else "ok", f"lot-{n * 7 % lots}" if lots else "", (f"file-{n}",))
        for n in range(count)
    ]


def test_no_lot_is_in_two_splits() -> None:
    placed = place(members(300, 30), seed=1)
    splits = defaultdict(set)
    for each in placed.values():
        splits[each.groups["lot"]].add(each.split)
    assert set(map(len, splits.values())) == {1}


def test_splits_come_near_to_their_shares_with_both_labels() -> None:
    pieces = members(300, 60)
    placed = place(pieces, seed=1)
    counts = Counter((placed[piece.name].split, piece.label) for piece in pieces)
    assert [counts[split, "nok"] for split in ("train", "calibration", "test")] == [60, 20, 20]
    assert [counts[split, "ok"] for split in ("train", "calibration", "test")] == [120, 40, 40]


def test_pieces_without_a_lot_are_tied_by_recordings_alone() -> None:
    pieces = [*members(20, 0), Member("again", "ok", "", ("file-3",))]
    placed = place(pieces, seed=0)
    assert placed["again"].groups == placed["p3"].groups == {"recording": "p3"}
    assert placed["again"].split == placed["p3"].split


def test_a_recording_in_two_lots_ties_both_lots() -> None:
    pieces = [Member("a", "ok", "one", ("x",)), Member("b", "ok", "two", ("x",)), Member("c", "ok", "two", ("y",))]
    placed = place(pieces, seed=0)
    assert len({each.split for each in placed.values()}) == 1
    assert placed["c"].groups == {"lot": "two", "recording": "c"}


def test_the_same_pieces_are_placed_the_same() -> None:
    assert place(members(50, 5), seed=3) == place(members(50, 5), seed=3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.booleans()), min_size=1, max_size=40))
def test_whatever_ties_pieces_no_group_and_no_file_is_in_two_splits(ties: list[tuple[int, int, bool]]) -> None:
    pieces = [
        Member(f"p{n}", "nok" if bad else "ok", f"lot-{lot}" if lot else "", (f"file-{file}",))
        for n, (lot, file, bad) in enumerate(ties)
    ]
    placed = place(pieces, seed=0)
    splits = defaultdict(set)
    for piece in pieces:
        here = placed[piece.name]
        for tie in (*here.groups.items(), *piece.recordings):
            splits[tie].add(here.split)
    assert set(map(len, splits.values())) == {1}
