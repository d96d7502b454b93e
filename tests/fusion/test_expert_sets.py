"""The sets of experts that can run, and therefore need a calibration."""

from dataclasses import dataclass

from fusion.expert_sets import expert_sets


@dataclass(frozen=True)
class StubExpert:
    name: str
    modality: str
    scout: bool


def test_every_set_is_listed_once_by_sorted_names():
    experts = [
        StubExpert("glance", "camera", True),
        StubExpert("gaze", "camera", False),
        StubExpert("ear", "mic", True),
    ]
    assert expert_sets(experts) == [
        ("ear",),
        ("gaze",),
        ("glance",),
        ("ear", "gaze"),
        ("ear", "glance"),
        ("gaze", "glance"),
        ("ear", "gaze", "glance"),
    ]
