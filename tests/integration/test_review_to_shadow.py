"""Reviewed pieces become a bundle that runs as a shadow on the line that they came from."""

from pathlib import Path

import pytest

from tests.integration.review_to_shadow import prove

NUM = 120


@pytest.mark.train
@pytest.mark.timeout(1500)
def test_reviewed_pieces_become_a_shadow_on_their_line(tmp_path: Path) -> None:
    proof = prove(tmp_path, NUM)
    assert proof.num_reviewed == NUM
    assert proof.export["num_pieces"] == NUM
    assert "shadow" in proof.deployments
