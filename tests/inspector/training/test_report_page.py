"""The report of a training: pieces scored by encoders that had not seen them, and the worst of them to look at."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.manifest import PieceRow
from inspector.evaluation.dominance import own_auc
from inspector.evaluation.run import Shown
from inspector.report.content import Content
from inspector.report.page import page
from inspector.report.worst import MAX_SHOWN, worst
from inspector.statistics.evidence import Choice, Gain
from inspector.training.advice import choice_figures, write_training_report
from inspector.training.report_page import training_content
from inspector.training.train import Training, train
from tests.inspector.training.small_dataset import CONFIG, OPTIONS, report, write_small_dataset

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("no_clock")]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, no_clock: None) -> Training:
    return train(write_small_dataset(tmp_path_factory.mktemp("strange"), strange=True), CONFIG, OPTIONS, report)


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Pieces whose evidence the report asks for."""
    return []


@pytest.fixture(scope="module")
def content(training: Training, asked: list[str]) -> Content:
    def examine(rows: Sequence[PieceRow]) -> dict[str, Shown]:
        asked.extend(row.piece_id for row in rows)
        return {}

    return training_content(training.trained, examine)


def test_it_shows_the_pieces_that_limits_were_chosen_from(training: Training, content: Content) -> None:
    assert [piece.row.piece_id for piece in content.pieces] == list(training.scored.piece_ids)
    assert not [piece for piece in content.pieces if piece.row.split == "test"]
    assert content.limits == (content.calibration.pass_below, content.calibration.fail_above)
    wrong = [piece for piece in content.pieces if piece.decision == "REVIEW"]
    assert content.outcome.review.mean == pytest.approx(len(wrong) / len(content.pieces))


def test_curves_are_those_of_the_bundle_and_of_each_modality(training: Training, content: Content) -> None:
    assert [curve.name for curve in content.curves] == ["routed", "fused", "top alone", "mic alone"]
    scored, alone = training.scored, content.curves[2]
    area, _ = own_auc(scored.of(["top-rings"]), scored.labels.astype(np.float64), scored.piece_ids)
    assert alone.area.mean == pytest.approx(area.mean)


def test_evidence_is_asked_for_of_the_worst_pieces_alone(content: Content, asked: list[str]) -> None:
    assert asked == [piece.row.piece_id for group in worst(content.pieces) for piece in group.pieces]
    assert 0 < len(asked) <= 3 * MAX_SHOWN
    assert "No test: limits and routes were chosen on these pieces." in page(content)


def test_choices_stand_in_the_page_and_in_the_json(training: Training, content: Content, tmp_path: Path) -> None:
    choices = training.trained.card.choices
    assert len(content.choices) == len(choices) > 0
    assert content.choices[0].subject in page(content)
    write_training_report(tmp_path / "train.json", training.findings, training.bundle.warnings, training.figures)
    written = json.loads((tmp_path / "train.json").read_text())["choices"]
    assert [each["chosen"] for each in written] == [choice.chosen for choice in choices]


def test_a_gain_that_is_not_known_is_null() -> None:
    unknown = Choice("head", "a", "b", Gain("b", math.nan, 0, 0, 0, 0), "1 piece")
    assert choice_figures([unknown])[0]["gain"] is None
