"""Which sets of experts can run, and so need a calibration."""

from dataclasses import dataclass

from fusion.expert_sets import expert_sets


@dataclass(frozen=True)
class Look:
    name: str
    modality: str
    scout: bool


def test_every_set_is_listed_once_by_sorted_names():
    experts = [Look("glance", "camera", True), Look("gaze", "camera", False), Look("ear", "mic", True)]
    assert expert_sets(experts) == [
        ("ear",),
        ("gaze",),
        ("glance",),
        ("ear", "gaze"),
        ("ear", "glance"),
        ("gaze", "glance"),
        ("ear", "gaze", "glance"),
    ]
