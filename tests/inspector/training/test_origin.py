"""What an exported graph does not tell: where it was made."""

from pathlib import Path

import pytest

from inspector.training.untrained import write_untrained

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.train
def test_a_bundle_holds_no_path_of_the_machine_that_made_it(tmp_path: Path) -> None:
    write_untrained(tmp_path / "bundle")
    for path in (tmp_path / "bundle").iterdir():
        assert str(ROOT).encode() not in path.read_bytes(), path.name
