"""Lines with few recordings: what is drawn from a set, and what the table says of the draws."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, read_manifest, write_manifest
from tests.benchmarks.evidence.accuracy import FUSED, NOISY_OR, ROUTED
from tests.benchmarks.evidence.small_draws import DRAWS, SIGNAL_DEFECT, Draw, draws, write_draw
from tests.benchmarks.evidence.small_result import KEPT_FILES, Result, keep_only_scores, read_result, write_result
from tests.benchmarks.evidence.small_table import PEER, beyond_chance, table

pytestmark = pytest.mark.train


def _row(number: int, split: str) -> PieceRow:
    """Every third picture and every fourth signal is defective; a recording comes in two pieces."""
    labels = {"image": "nok" if number % 3 == 0 else "ok", "signal": "nok" if number % 4 == 0 else "ok"}
    half, sound = number // 2, f"{split}-{labels['signal']}-{number // 2}"
    defects = ["Crack"] * (number % 3 == 0) + [SIGNAL_DEFECT] * (number % 4 == 0)
    return PieceRow.model_validate(
        {
            "piece_id": f"{split}-{number:03}",
            "images": [ImageRow(camera="top", path=f"images/{split}-{labels['image']}-{half}.png")],
            "signals": [
                SignalRow(sensor="mic", kind="audio", sample_rate_hz=8000, path=f"s/{sound}.wav")
            ],
            "label": "nok" if defects else "ok",
            "defects": defects,
            "split": split,
            "groups": {
                "image": f"{split}-{labels['image']}-{half}", "signal": sound
            },
            "modality_labels": labels,
        }
    )  # fmt: skip


def _drawn(tmp_path: Path, draw: Draw) -> tuple[Sequence[PieceRow], Sequence[PieceRow]]:
    rows = [_row(number, split) for split in ("train", "calibration", "test") for number in range(96)]
    (tmp_path / "set" / "images").mkdir(parents=True)
    write_manifest(tmp_path / "set" / "manifest.jsonl", rows)
    return rows, read_manifest(write_draw(draw, tmp_path / "set" / "manifest.jsonl", tmp_path / "draw"))


def _groups(rows: Sequence[PieceRow], split: str, kind: str, label: str) -> set[str]:
    return {row.groups[kind] for row in rows if row.split == split and row.modality_labels[kind] == label}


def test_a_draw_keeps_a_share_of_the_groups_and_the_whole_test_split(tmp_path: Path) -> None:
    rows, drawn = _drawn(tmp_path, Draw("tile_tap", 7, 0.25, 0))
    assert [row for row in drawn if row.split == "test"] == [row for row in rows if row.split == "test"]
    for split in ("train", "calibration"):
        assert len([row for row in drawn if row.split == split]) == 24
        for kind in ("image", "signal"):
            for label in ("ok", "nok"):
                kept, whole = (_groups(part, split, kind, label) for part in (drawn, rows))
                assert kept <= whole
                assert len(kept) <= max(2, round(0.25 * len(whole)))
    assert (tmp_path / "draw" / "images").is_dir()


def test_every_drawn_piece_has_the_recordings_and_defects_of_its_labels(tmp_path: Path) -> None:
    _, drawn = _drawn(tmp_path, Draw("tile_tap", 7, 0.5, 1))
    for row in drawn:
        assert row.modality_labels["image"] in row.images[0].path
        assert row.modality_labels["signal"] in row.signals[0].path
        assert (SIGNAL_DEFECT in row.defects) == (row.modality_labels["signal"] == "nok")
        assert ("Crack" in row.defects) == (row.modality_labels["image"] == "nok")
        assert (row.label == "nok") == bool(row.defects)


def test_draws_differ_and_the_same_draw_is_the_same(tmp_path: Path) -> None:
    one, two = (_drawn(tmp_path / str(n), Draw("tile_tap", 7, 0.5, n))[1] for n in (0, 1))
    again = _drawn(tmp_path / "again", Draw("tile_tap", 7, 0.5, 0))[1]
    assert one == again
    assert one != two


def test_small_lines_are_drawn_at_least_ten_times_and_large_ones_five_times() -> None:
    planned = draws(["wafer"], (7, 8, 9, 10, 11))
    counts = {share: sum(draw.share == share for draw in planned) for share in DRAWS}
    assert counts == {0.25: 10, 0.5: 10, 0.75: 5, 1.0: 5}
    assert len({draw.key for draw in planned}) == len(planned)


def _result(number: int, lost: float, policy: str) -> Result:
    auc = {FUSED: 0.9 - lost, NOISY_OR: 0.9, ROUTED: 0.9 - 2 * lost, PEER: 0.8}
    candidate_auc = {"top": {"kept experts": 0.8, "top-full-224": 0.7, "top-full-320": 0.8 + lost}}
    return Result(
        Draw("wafer", 7, 0.25, number), auc, auc, 0.04, 0.02, 0, policy, 0.1, 30, 3 if number else 1, candidate_auc
    )


def _rows(results: Sequence[Result]) -> dict[tuple[str, str], Sequence[str]]:
    return {(row[0], row[2]): row for row in table(results).rows}


def test_the_table_counts_draws_that_lose() -> None:
    results = [
        _result(number, 0.02 if number == 0 else 0.0, "cascade" if number < 5 else "dense") for number in range(10)
    ]
    rows = _rows(results)
    assert rows["wafer", "fused - noisy-or"][3:5] == ["10", "-0.002 / -0.002"]
    assert rows["wafer", "fused - noisy-or"][-1] == "1 of 10 below -.01"
    assert rows["all", "routed - all experts"][3] == "5"
    assert rows["all", "kept - best left out, top"][3:] == ["10", "-0.002", "+0.000", "-0.002", "1 of 10 below -.01"]
    assert rows["all", "REVIEW"][4] == "0.100"


def test_more_failed_groups_than_a_kept_promise_would_show_are_counted_apart() -> None:
    """Of 30 independent good pieces, three fail in 2 % of tests where 2 % are promised, one in 45 %."""
    results = [_result(number, 0.0, "dense") for number in range(10)]
    assert [beyond_chance(result, 0.02) for result in results] == [False] + [True] * 9
    assert _rows(results)["all", "good pieces that fail - promised"][-1] == "10 of 10 above, 9 of 10 beyond chance"


def test_a_promise_that_a_bundle_relaxed_stands_beside_what_was_asked() -> None:
    results = [replace(_result(number, 0.0, "dense"), stated=0.05) for number in range(10)]
    rows = _rows(results)
    assert rows["all", "good pieces that fail - asked"][4] == "+0.020"
    assert rows["all", "good pieces that fail - promised"][4:] == [
        "-0.010", "-0.010", "-0.010", "0 of 10 above, 0 of 10 beyond chance"
    ]  # fmt: skip


def test_a_result_of_an_older_or_newer_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    write_result(path, _result(0, 0.02, "dense"))
    assert read_result(path) == _result(0, 0.02, "dense")
    content = json.loads(path.read_text())
    older = {name: content[name] for name in list(content)[:7]}
    path.write_text(json.dumps(older | {"of_the_future": 1}))
    result = read_result(path)
    assert (result.false_rejects, result.good_groups, result.own_auc) == (0.04, None, {})
    assert _rows([result])["all", "good pieces that fail - promised"][-1] == "1 of 1 above, 0 of 0 beyond chance"


def test_only_scored_pieces_stay_of_a_trained_draw(tmp_path: Path) -> None:
    work = tmp_path / "wafer-7-0.25-0"
    for name in (*KEPT_FILES, "checkpoint/top.pt", "data/manifest.jsonl"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    keep_only_scores(work)
    assert sorted(file.name for file in work.iterdir()) == sorted(Path(name).name for name in KEPT_FILES)
    assert [file.name for file in tmp_path.iterdir()] == [work.name]
