"""Test pieces are recorded ones where there are some, else noise that fits the experts."""

from pathlib import Path

import pytest

from inspector.benchmark import pieces
from inspector.benchmark.pieces import choose_pieces, synthetic_pieces
from inspector.bundle.load import load
from tests.bundles import Toy, write_toy_bundle
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set


def test_the_parity_set_is_offered_in_its_order(tmp_path: Path) -> None:
    test_pieces = choose_pieces(load(write_toy_bundle(tmp_path)).schema, write_toy_set(tmp_path, toy_pieces(20)))
    assert [piece.inspection.piece_id for piece in test_pieces.pieces] == [f"p{index}" for index in range(20)]
    assert test_pieces.description.startswith("20 of the parity set's 20 pieces")


def test_no_more_is_held_than_memory_is_given_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece has 96 pixels of a byte and 16 samples of four."""
    monkeypatch.setattr(pieces, "MAX_BYTES", 4 * (96 + 64))
    test_pieces = choose_pieces(load(write_toy_bundle(tmp_path)).schema, write_toy_set(tmp_path, toy_pieces(9)))
    assert (len(test_pieces.pieces), test_pieces.description[:29]) == (4, "4 of the parity set's 9 pieces"[:29])


def test_made_up_pieces_are_noise_in_the_size_of_the_inputs_and_say_so(tmp_path: Path) -> None:
    schema = load(write_toy_bundle(tmp_path, Toy())).schema
    first, second, *_ = synthetic_pieces(schema)
    (image,), samples = first.views["top"].images, first.clips["mic"].samples
    assert (image.shape, samples.shape if samples is not None else None) == ((4, 4, 3), (16, 1))
    assert (image != second.views["top"].images[0]).any()
    assert (image == synthetic_pieces(schema)[0].views["top"].images[0]).all()
    assert "the bundle has no parity set" in choose_pieces(schema, None).description
