"""Calibration inputs equal those of the experts on the line."""

from pathlib import Path

import numpy as np
import pytest

from encoders.front_end import prepare_clip, prepare_image
from inspector.bundle.load import load
from inspector.compile.feeds import NUM_PIECES, calibration_pieces, feeds
from inspector.compile.job import CompileError
from inspector.parity.archive import set_of
from tests.bundles import IMAGE, SIGNAL, clip, piece, view
from tests.inspector.compile.jobs import DEMO
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set


def test_every_image_and_clip_is_one_input(tmp_path: Path) -> None:
    thumb, _, ear = load(write_toy_set(tmp_path, toy_pieces(3)).path.parent).schema.experts
    pieces = [piece(view(0.25, num_images=2), clip(0.5)), piece(view(0.75), clip(0.0))]
    images = feeds(thumb, pieces)
    assert len(images) == 3
    np.testing.assert_array_equal(images[2]["input"], prepare_image(pieces[1].views["top"].images[0], IMAGE)[None])
    samples = pieces[0].clips["mic"].samples
    assert samples is not None
    np.testing.assert_array_equal(feeds(ear, pieces)[0]["input"], prepare_clip(samples, 100.0, SIGNAL)[None])


def test_pieces_without_the_modality_are_passed_over_unless_all_are(tmp_path: Path) -> None:
    parity_set = write_toy_set(tmp_path, toy_pieces(20))
    ear = load(tmp_path).schema.experts[2]
    pieces = calibration_pieces(parity_set, None)
    assert len(feeds(ear, pieces)) == 18
    silent = [piece for piece in pieces if not piece.clips]
    with pytest.raises(CompileError, match=r"mic-ear: none of 2 calibration pieces has a recording of 'mic'.*MANIFEST"):
        feeds(ear, silent)


def test_pieces_are_taken_evenly_from_the_parity_set() -> None:
    parity = set_of(load(DEMO))
    names = [piece.inspection.piece_id for piece in calibration_pieces(parity, None)]
    every = [piece.piece_id for piece in parity.pieces]
    assert names == every[:: len(every) // NUM_PIECES]
