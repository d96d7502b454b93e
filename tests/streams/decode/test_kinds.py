"""One table describes the kinds of sensors; every kind of the wire and of recipes is in it."""

from pathlib import Path
from typing import get_args

from protos.inspection.v1.records_pb2 import SignalKind
from streams.decode.kinds import KINDS, SENSOR_KINDS, is_curve, is_sound
from streams.observation import SensorKind


def test_every_kind_of_a_recipe_is_in_the_table() -> None:
    assert set(get_args(SensorKind)) == SENSOR_KINDS.keys()


def test_every_kind_of_the_wire_is_in_the_table() -> None:
    assert set(SignalKind.values()) - {SignalKind.SIGNAL_KIND_UNSPECIFIED} == KINDS.keys()


def test_every_kind_is_on_the_page_of_sensors() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/cameras-and-sensors.md").read_text(encoding="utf-8")
    assert [kind for kind in SENSOR_KINDS if f"| `{kind}` |" not in page] == []


def test_a_camera_is_neither_heard_nor_a_curve() -> None:
    assert not is_sound("image")
    assert not is_curve("image")
    assert is_sound("audio")
    assert is_curve("trace")
