"""Files are written whole or not at all, and leftovers of killed writers are removed."""

import os
import time
from pathlib import Path

import pytest

from inspector.bundle.leftovers import LEFT_S
from inspector.engines.sealed_file import UNFINISHED, read_sealed, write_sealed


@pytest.mark.parametrize(("age_s", "stays"), [(LEFT_S - 60, True), (LEFT_S + 60, False)])
def test_what_a_killed_writer_left_goes_with_the_next_write_a_day_later(
    tmp_path: Path, age_s: float, stays: bool
) -> None:
    left_over = tmp_path / f"{UNFINISHED}x1y2"
    left_over.mkdir()
    (left_over / "engine").write_bytes(bytes(100))
    os.utime(left_over, (time.time() - age_s,) * 2)
    write_sealed(tmp_path / "engine", b"new")
    assert read_sealed(tmp_path / "engine") == b"new"
    assert left_over.exists() is stays
