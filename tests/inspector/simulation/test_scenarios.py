"""Scenarios of the synthetic line: what makes them hard is in the recordings, and one sensor alone cannot know it."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.dataset.manifest import read_manifest
from inspector.simulation.dataset import write_dataset
from inspector.simulation.image import draw_part
from inspector.simulation.pieces import LineSettings, simulate_piece, truth_of
from inspector.simulation.sound import ring

DISAGREEMENT, RARE_HARD = LineSettings(seed=1, scenario="disagreement"), LineSettings(seed=1, scenario="rare_hard")


def test_the_plain_line_is_what_it_was() -> None:
    truths = repr([truth_of(LineSettings(seed=1), number) for number in range(50)])
    assert hashlib.sha256(truths.encode()).hexdigest()[:16] == "f2261b3be68f1726"


@pytest.mark.parametrize("mark", ["insert", "partial"])
def test_each_sensor_alone_is_at_chance_on_mismatches(mark: str) -> None:
    truths = [truth_of(DISAGREEMENT, number) for number in range(4000)]
    there = np.array([mark in truth.severity for truth in truths])
    mismatch = np.array(["mismatch" in truth.defects for truth in truths])
    assert abs(there[mismatch].mean() - there[~mismatch].mean()) < 0.06
    assert 0.2 < mismatch.mean() < 0.3


def test_a_mismatch_is_an_insert_that_is_only_seen_or_only_heard() -> None:
    for truth in (truth_of(DISAGREEMENT, number) for number in range(200)):
        assert ("mismatch" in truth.defects) == (("insert" in truth.severity) != ("partial" in truth.severity))


def test_an_insert_rings_between_the_first_two_modes() -> None:
    def share(partial: float) -> float:
        power = np.abs(np.fft.rfft(ring(np.random.default_rng(2), partial=partial)[:, 0])) ** 2
        return float(power[590:630].sum() / power.sum())

    assert share(1.0) > 20 * share(0.0)


def test_a_hairline_fades_in_a_thumbnail_and_is_clear_in_the_picture() -> None:
    def contrast(side_px: int) -> float:
        plain, scored = (
            cv2.resize(
                draw_part(np.random.default_rng(4), 0, rub=1.0, hairline=hairline).astype(np.float32),
                (side_px, side_px),
                interpolation=cv2.INTER_AREA,
            )
            for hairline in (0.0, 1.0)
        )
        return float(np.abs(plain - scored).max())

    assert contrast(160) > 2.5 * contrast(48)


def test_rubs_are_rare_and_half_of_them_hide_a_hairline() -> None:
    truths = [truth_of(RARE_HARD, number) for number in range(4000)]
    rubbed = [truth for truth in truths if "rub" in truth.severity]
    assert 0.05 < len(rubbed) / len(truths) < 0.10
    assert 0.4 < np.mean(["hairline" in truth.defects for truth in rubbed]) < 0.6
    assert all("rub" in truth.severity for truth in truths if "hairline" in truth.defects)


def test_labels_of_the_sensors_know_nothing_of_a_mismatch(tmp_path: Path) -> None:
    rows = read_manifest(write_dataset(tmp_path, 60, DISAGREEMENT))
    alone = [row for row in rows if row.defects == ("mismatch",)]
    assert alone
    assert all(row.label == "nok" and set(row.modality_labels.values()) == {"ok"} for row in alone)


def test_equal_numbers_give_equal_bytes_in_every_scenario() -> None:
    for settings in (DISAGREEMENT, RARE_HARD):
        assert simulate_piece(settings, 3).png == simulate_piece(settings, 3).png
