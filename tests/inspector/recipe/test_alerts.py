"""A recipe's alerts: what is accepted, and what a wrong one is told."""

from pathlib import Path

import pytest

from inspector.recipe.alerts import CountAlert, RateAlert, ScoreAlert
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipes import load_recipe

HEAD = 'name = "cup"\nversion = "1"\nbundle = "b"\n[[cameras]]\nname = "top"\n'
RATE = 'kind = "rate"\nname = "defects"\nbefore_percent = 2\nafter_percent = 6\ntakt_s = 0.5\n'


def loaded(tmp_path: Path, *alerts: str):
    path = tmp_path / "cup.toml"
    path.write_text(HEAD + "".join(f"[[alerts]]\n{alert}" for alert in alerts))
    return load_recipe(path).recipe.alerts


def test_each_kind_is_read(tmp_path: Path) -> None:
    count = (
        'kind = "count"\nname = "cracks"\nlevel = "look_later"\ndefect_class = "crack"\nnum_bad = 3\nnum_pieces = 20\n'
    )
    score = 'kind = "score"\nname = "worn"\nsensor = "top"\ntakt_s = 1\nhours_between_false_alarms = 24\n'
    rate, cracks, worn = loaded(tmp_path, RATE, count, score)
    assert isinstance(rate, RateAlert)
    assert rate.pieces_between == 8 * 3600 / 0.5
    assert rate.level == "act_now"
    assert isinstance(cracks, CountAlert)
    assert cracks.level == "look_later"
    assert isinstance(worn, ScoreAlert)
    assert worn.pieces_between == 86_400


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        ([RATE, RATE], "used more than once"),
        ([RATE.replace("after_percent = 6", "after_percent = 2")], "set after_percent higher"),
        ([RATE.replace("takt_s = 0.5", "takt_s = 0")], r"alerts\[0\]\.takt_s"),
        ([RATE.replace("takt_s", "takt")], "did you mean 'takt_s'"),
        (['kind = "score"\nname = "a"\nsensor = "mic"\ntakt_s = 1\n'], "'mic' is none of"),
        (['kind = "count"\nname = "a"\nnum_bad = 5\nnum_pieces = 4\n'], "can never be; raise num_pieces"),
    ],
)
def test_a_wrong_alert_is_told_what_to_change(tmp_path: Path, alerts: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        loaded(tmp_path, *alerts)
