"""Which sets of experts can run, and so need a calibration."""

from dataclasses import dataclass

import pytest

from fusion.policy import wanted
from inspector.bundle.schema import Policy
from inspector.training.subsets import expert_sets


@dataclass(frozen=True)
class Look:
    name: str
    modality: str
    scout: bool


GLANCE, GAZE = Look("glance", "camera", True), Look("gaze", "camera", False)
EAR, LISTEN, TOUCH = Look("ear", "mic", True), Look("listen", "mic", False), Look("touch", "shaker", False)


def test_every_subset_of_modalities_by_scouts_and_by_all():
    assert set(expert_sets([GLANCE, GAZE, EAR])) == {
        ("glance",),
        ("gaze", "glance"),
        ("ear",),
        ("ear", "glance"),
        ("ear", "gaze", "glance"),
    }


@pytest.mark.parametrize("experts", [(GLANCE, GAZE, EAR), (GAZE, EAR, LISTEN), (GLANCE, GAZE, EAR, LISTEN, TOUCH)])
@pytest.mark.parametrize(
    "policy", [Policy(mode="dense"), Policy(low=0.3, high=0.6), Policy(mode="static", static_experts=("gaze",))]
)
@pytest.mark.parametrize("score", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("present", [("camera",), ("mic",), ("camera", "mic"), ("camera", "mic", "shaker")])
def test_whatever_the_policy_runs_is_among_them(experts, policy, score, present):
    scouts = [expert.name for expert in experts if expert.scout and expert.modality in present]
    ran = tuple(sorted({*scouts, *wanted(policy, experts, present, score if scouts else None)}))
    assert not ran or ran in expert_sets(experts, policy.static_experts)
