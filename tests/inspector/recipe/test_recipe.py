"""A recipe means what its TOML says, and refuses what cannot be meant."""

import tomllib

import pytest
from pydantic import ValidationError

from inspector.recipe.recipe import Recipe
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec

BASE = 'name = "cup"\nversion = "1"\nbundle = "b"\n[[cameras]]\nname = "top"\n'
SENSOR = '[[sensors]]\nname = "mic"\nkind = "audio"\nsample_rate_hz = 16000\nend_s = 1.0\n'
TRACE = '[[sensors]]\nname = "press"\nkind = "trace"\nsample_rate_hz = 100\nbind = "piece"\n'


def parse(text: str) -> Recipe:
    return Recipe.model_validate(tomllib.loads(text))


def test_tables_become_the_joins_assembly() -> None:
    recipe = parse(BASE + SENSOR + "required = false\n")
    assert recipe.assembly == AssemblySpec((CameraSpec("top"),), (SensorSpec("mic", "audio", 16000, end_s=1.0),), 0.5)
    assert recipe.kinds == {"top": "image", "mic": "audio"}
    assert recipe.required == {"top"}


def test_a_recipe_needs_no_camera() -> None:
    recipe = parse('name = "cup"\nversion = "1"\nbundle = "b"\n' + SENSOR)
    assert recipe.assembly.cameras == ()
    assert recipe.required == {"mic"}


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("spare = 1\n" + BASE, "spare"),
        ("pass_below = 0.6\nfail_above = 0.4\n" + BASE, "lies above"),
        ("certified_miss_rate = 0.008\npass_below = 0.1\n" + BASE, "pass_below would change these; remove one"),
        ("certified_miss_rate = 0.008\nfull_evidence_on_fail = true\n" + BASE, "full_evidence_on_fail would change"),
        ("certified_miss_rate = 0.0\n" + BASE, "certified_miss_rate"),
        ("deadline_s = nan\n" + BASE, "deadline_s"),
        (BASE + '[[cameras]]\nname = "top"\n', "more than once"),
        (BASE.replace('"top"', '"events"'), "'events'"),
        (BASE + SENSOR.replace('"mic"', '"events"'), "'events'"),
        (BASE + SENSOR + 'anchor = "side"\n', "anchor 'side' is none of"),
        (BASE + SENSOR + 'anchor = "press"\n' + TRACE, "anchor 'press' is a trace"),
        (BASE + SENSOR + "start_s = 1.0\n", "is empty"),
        ('name = "cup"\nversion = "1"\nbundle = "b"\ncameras = []\n', "neither a camera nor a sensor"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, finding: str) -> None:
    with pytest.raises(ValidationError, match=finding):
        parse(text)
