"""Splits by groups over several axes: no group or recording in two splits, shares of every class, reproducible."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli.data import data
from inspector.dataset.division.divide import Division, divide
from inspector.dataset.division.shares import SharesError, parse_shares
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, read_manifest, write_manifest
from inspector.dataset.splits import demand_grouped_splits

SHARES = parse_shares("60/20/20")


def piece(name: str, defect: str | None, **groups: str) -> PieceRow:
    return PieceRow(
        piece_id=name,
        split="train",
        label="nok" if defect else "ok",
        defects=(defect,) if defect else (),
        images=(ImageRow(camera="top", path=f"{name}.png"),),
        groups=groups,
    )


def lots(num: int = 60) -> list[PieceRow]:
    """Six pieces a lot; every third lot has cracks, one in ten has a dent."""
    return [
        piece(f"p{lot}-{i}", "crack" if lot % 3 == 0 else "dent" if lot % 10 == 1 else None, lot=str(lot))
        for lot in range(num)
        for i in range(6)
    ]


def paired(num: int = 400) -> list[PieceRow]:
    """Each picture is paired with several sounds at random: all pieces are tied together."""
    rng = np.random.default_rng(3)
    return [
        piece(f"p{i}", "crack" if i % 2 else None, tile=f"t{rng.integers(100)}", motor=f"m{rng.integers(30)}")
        for i in range(num)
    ]


def counts(division: Division, label: str | None = None) -> Counter[str]:
    return Counter(row.split for row in division.rows if label in (None, row.label, *row.defects))


def test_whole_groups_are_divided_by_the_shares_of_every_class(tmp_path: Path) -> None:
    division = divide(tmp_path, lots(), SHARES, ["lot"])
    demand_grouped_splits(division.rows)
    assert (division.num_units, division.largest_unit, division.left_out) == (60, 6, [])
    for name in (None, "ok", "crack", "dent"):
        held = counts(division, name)
        total = sum(held.values())
        for split, share in SHARES.items():
            assert abs(held[split] - share * total) <= 6, (name, held)
            assert held[split] > 0


def test_equal_seeds_give_equal_splits_and_others_do_not(tmp_path: Path) -> None:
    first, again, other = (divide(tmp_path, lots(), SHARES, ["lot"], seed).rows for seed in (1, 1, 2))
    assert first == again != other


def test_two_axes_stay_whole_at_once(tmp_path: Path) -> None:
    rows = [piece(f"p{i}", "crack" if i % 3 else None, tile=f"t{i // 2}", motor=f"m{i // 5}") for i in range(100)]
    division = divide(tmp_path, rows, SHARES, ["tile", "motor"])
    demand_grouped_splits(division.rows)
    assert division.left_out == []
    assert min(counts(division).values()) >= 10


def test_where_random_pairs_tie_all_pieces_those_between_two_splits_are_left_out(tmp_path: Path) -> None:
    rows = paired()
    division = divide(tmp_path, rows, SHARES, ["tile", "motor"])
    demand_grouped_splits(division.rows)
    assert division.largest_unit > 390
    assert len(division.rows) + len(division.left_out) == 400
    assert len(division.rows) > 150
    for label in ("ok", "nok"):
        assert min(counts(division, label)[split] for split in SHARES) > 5
    with pytest.raises(ManifestError, match="pieces between two splits are left out"):
        divide(tmp_path, rows, SHARES, ["tile", "motor"], keep_all=True)


def test_one_file_under_two_names_stays_in_one_split(tmp_path: Path) -> None:
    rows = [piece(f"p{i}", "crack" if i % 2 else None, part=str(i)) for i in range(40)]
    noise = np.random.default_rng(0)
    for row in rows:
        (tmp_path / row.images[0].path).write_bytes(noise.bytes(5000))
    for i in range(0, 20, 2):
        (tmp_path / f"p{i}.png").write_bytes((tmp_path / "p39.png").read_bytes())
    division = divide(tmp_path, rows, SHARES, ["part"])
    alike = {row.split for row in division.rows if row.piece_id in {"p39", *(f"p{i}" for i in range(0, 20, 2))}}
    assert len(alike) == 1
    assert division.largest_unit == 11


@pytest.mark.parametrize(
    ("rows", "axes", "message"),
    [
        (lots(), ["tile"], "no piece has a group 'tile'; groups are lot"),
        ([piece("a", None), piece("b", None)], [], "2 of 2 pieces have no group, first a"),
        (
            [row.model_copy(update={"images": (ImageRow(camera="Kamera 1", path="a"),)}) for row in lots(9)],
            ["lot"],
            "camera 'Kamera 1': line and bundle refuse this name",
        ),
        (lots(2), ["lot"], "no piece is left for .*by lot there are 2 independent sets"),
    ],
)
def test_groups_that_are_missing_or_too_few_are_said(
    tmp_path: Path, rows: list[PieceRow], axes: list[str], message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        divide(tmp_path, rows, SHARES, axes)


@pytest.mark.parametrize("text", ["60/40", "60/20/0", "a/b/c", "60/20/nan", "-1/2/3", ""])
def test_shares_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SharesError, match="expected three numbers above 0"):
        parse_shares(text)


def test_the_command_writes_a_new_manifest_and_a_table(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", lots())
    result = CliRunner().invoke(data, ["split", str(tmp_path / "m.jsonl"), "--shares", "50/25/25", "--by", "lot"])
    assert result.exit_code == 0, result.output
    assert "360 pieces, 60 sets of them independent by lot and recordings, the largest of 6" in result.output
    assert f"next: inspector data check {tmp_path / 'm-split.jsonl'}" in result.output
    assert any(line.split()[0] == "crack" for line in result.output.splitlines())
    assert {row.split for row in read_manifest(tmp_path / "m-split.jsonl")} == {"train", "calibration", "test"}
    assert {row.split for row in read_manifest(tmp_path / "m.jsonl")} == {"train"}


def test_a_manifest_of_ones_own_needs_no_splits_to_be_divided(tmp_path: Path) -> None:
    write_manifest(tmp_path / "whole.jsonl", lots())
    lines = [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]
    bare = [{name: value for name, value in line.items() if name != "split"} for line in lines]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, bare)))
    with pytest.raises(ManifestError, match="split: is required; `inspector data split` divides the pieces"):
        read_manifest(tmp_path / "m.jsonl")
    result = CliRunner().invoke(data, ["split", str(tmp_path / "m.jsonl")])
    assert result.exit_code == 0, result.output
    assert {row.split for row in read_manifest(tmp_path / "m-split.jsonl")} == {"train", "calibration", "test"}


def test_the_command_lists_what_it_leaves_out_and_paths_lead_to_the_same_files_from_elsewhere(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", paired())
    (tmp_path / "other").mkdir()
    out = tmp_path / "other" / "new.jsonl"
    result = CliRunner().invoke(data, ["split", str(tmp_path / "m.jsonl"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    left_out = read_manifest(tmp_path / "other" / "new-left-out.jsonl")
    assert f"{len(left_out)} of 400 pieces join a group of one split to a group of another" in result.output
    assert left_out[0].images[0].path.startswith("../p")


@pytest.mark.parametrize(("name", "left_out"), [("m", "m-left-out"), ("manifest", "left-out")])
def test_pieces_that_an_earlier_division_left_out_take_part_again(tmp_path: Path, name: str, left_out: str) -> None:
    rows = paired()
    write_manifest(tmp_path / f"{name}.jsonl", rows[:300])
    write_manifest(tmp_path / f"{left_out}.jsonl", rows[290:])
    result = CliRunner().invoke(data, ["split", str(tmp_path / f"{name}.jsonl"), "--shares", "50/25/25"])
    assert result.exit_code == 0, result.output
    assert "100 pieces that were left out" in result.output
    written = (read_manifest(tmp_path / f"{name}-split{part}.jsonl") for part in ("", "-left-out"))
    assert {row.piece_id for part in written for row in part} == {row.piece_id for row in rows}


def test_a_group_that_is_not_named_and_would_be_torn_is_said_and_can_be_forgotten(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"groups": {**row.groups, "shift": "a"}}) for row in lots()]
    write_manifest(tmp_path / "m.jsonl", rows)
    command = ["split", str(tmp_path / "m.jsonl"), "--by", "lot"]
    result = CliRunner().invoke(data, command)
    assert result.exit_code == 1
    assert "--by lot,shift, or remove it: --forget shift" in result.output
    assert CliRunner().invoke(data, [*command, "--forget", "shift"]).exit_code == 0
    line = json.loads((tmp_path / "m-split.jsonl").read_text().splitlines()[0])
    assert line["groups"] == {"lot": "0"}
