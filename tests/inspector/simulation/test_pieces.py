"""The synthetic line: equal seeds give equal bytes, and its defects can be seen and heard."""

import wave
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.manifest import read_manifest
from inspector.replay.pieces import SimulatedPieces
from inspector.simulation import pieces
from inspector.simulation.dataset import Only, write_dataset
from inspector.simulation.image import draw_part
from inspector.simulation.pieces import LineSettings, simulate_piece, truth_of
from inspector.simulation.sound import ring


def test_equal_seed_and_number_give_equal_bytes() -> None:
    one, two = (simulate_piece(LineSettings(seed=3), 17) for _ in range(2))
    assert one.png == two.png
    assert np.array_equal(one.sound, two.sound)
    assert one.piece_id == two.piece_id == "s3-000017"


def test_another_seed_gives_another_line() -> None:
    assert simulate_piece(LineSettings(seed=3), 17).png != simulate_piece(LineSettings(seed=4), 17).png


def test_truth_can_be_had_without_recordings() -> None:
    settings = LineSettings(seed=5)
    assert [truth_of(settings, n) for n in range(50)] == [simulate_piece(settings, n).truth for n in range(50)]


def test_the_shares_are_about_those_asked_for() -> None:
    settings = LineSettings(seed=1, defect_share=0.3)
    truths = [truth_of(settings, number) for number in range(1000)]
    assert 250 < sum(bool(truth.defects) for truth in truths) < 350
    assert {name for truth in truths for name in truth.defects} == {"scratch", "dent", "crack"}
    assert any(truth.severity and not truth.defects for truth in truths)


@pytest.mark.parametrize("defect", ["scratch", "dent"])
def test_a_visible_defect_changes_the_picture_and_a_crack_does_not(defect: str) -> None:
    def draw(scratch: float, dent: float) -> np.ndarray:
        return draw_part(np.random.default_rng(2), 0, scratch=scratch, dent=dent).astype(float)

    marked = draw(1.0, 0.0) if defect == "scratch" else draw(0.0, 1.0)
    assert marked.shape == (160, 160)
    assert np.abs(marked - draw(0.0, 0.0)).max() > 40


def test_a_cracked_part_falls_silent_sooner() -> None:
    def late_share(crack: float) -> float:
        energy = np.square(ring(np.random.default_rng(2), crack=crack).astype(float))
        return float(energy[1200:].sum() / energy.sum())

    assert late_share(1.0) < late_share(0.0) / 3


def test_a_dataset_is_complete_and_its_files_are_the_lines_own(tmp_path: Path) -> None:
    settings = LineSettings(seed=9)
    rows = read_manifest(write_dataset(tmp_path, 20, settings))
    assert [row.split for row in rows] == ["train"] * 12 + ["calibration"] * 4 + ["test"] * 4
    assert len({row.groups["image"] for row in rows}) == 20
    piece = simulate_piece(settings, 7)
    assert (tmp_path / rows[7].images[0].path).read_bytes() == piece.png
    with wave.open(str(tmp_path / rows[7].signals[0].path)) as file:
        assert file.readframes(4000) == piece.sound.tobytes()
    assert rows[7].defects == piece.truth.defects
    assert rows[7].modality_labels.keys() == {"image", "signal"}


def test_with_several_frames_a_mark_shows_in_one_of_them_and_the_piece_is_the_same(tmp_path: Path) -> None:
    settings = LineSettings(seed=2, defect_share=1.0, faint_share=0.0, num_frames=3)
    rows = read_manifest(write_dataset(tmp_path, 12, settings))
    assert [len({image.path for image in row.images}) for row in rows] == [3] * 12
    assert [row.defects for row in rows] == [
        truth_of(LineSettings(seed=2, defect_share=1.0, faint_share=0.0), n).defects for n in range(12)
    ]
    piece = simulate_piece(settings, 4)
    assert [(tmp_path / image.path).read_bytes() for image in rows[4].images] == list(piece.pngs)
    shown = {pieces._shown(settings, number) for number in range(12)}
    assert shown == {0, 1, 2}


def test_a_mark_is_drawn_in_its_frame_alone() -> None:
    settings = LineSettings(seed=2, num_frames=3)
    for number in range(6):
        shown = pieces._shown(settings, number)
        drawn = [
            np.abs(_drawn(1.0, turned=frame != shown).astype(float) - _drawn(0.0, turned=True)).max() > 40
            for frame in range(3)
        ]
        assert drawn == [frame == shown for frame in range(3)]


def _drawn(dent: float, *, turned: bool) -> np.ndarray:
    return pieces._image(np.random.default_rng(2), 0, pieces.Truth({"dent": dent}, ()), turned=turned)


@pytest.mark.parametrize(("only", "shown"), [("top", ("scratch", "dent")), ("mic", ("crack",))])
def test_a_line_with_one_source_records_it_alone_and_knows_what_it_shows(
    tmp_path: Path, only: Only, shown: tuple[str, ...]
) -> None:
    settings = LineSettings(seed=9, defect_share=0.8)
    rows = read_manifest(write_dataset(tmp_path, 30, settings, only=only))
    whole = [truth_of(settings, number).defects for number in range(30)]
    assert [row.defects for row in rows] == [tuple(name for name in names if name in shown) for names in whole]
    assert all(row.label == ("nok" if row.defects else "ok") for row in rows)
    assert {bool(row.images) for row in rows} == {only == "top"}
    assert {bool(row.signals) for row in rows} == {only == "mic"}
    live = SimulatedPieces(settings, 30, only=only)
    assert live.modalities == {only}
    assert [live.piece(number).defects for number in range(30)] == [row.defects for row in rows]
