"""Which experts run after the scouts."""

from dataclasses import dataclass
from typing import Literal

import pytest

from fusion.policy import wanted


@dataclass(frozen=True)
class Settings:
    mode: Literal["dense", "static", "cascade"]
    static_experts: tuple[str, ...] = ()
    low: float = 0.2
    high: float = 0.6


@dataclass(frozen=True)
class Look:
    name: str
    modality: str
    scout: bool


EXPERTS = (Look("glance", "camera", True), Look("gaze", "camera", False), Look("ear", "microphone", True))
BLIND = (Look("gaze", "camera", False), Look("ear", "microphone", True), Look("listen", "microphone", False))
BOTH = ("camera", "microphone")


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.1, ()), (0.2, ("gaze",)), (0.4, ("gaze",)), (0.6, ("gaze",)), (0.7, ()), (None, ("gaze",))],
)
def test_a_cascade_asks_the_experts_in_doubt(score, expected):
    assert wanted(Settings("cascade"), EXPERTS, BOTH, score) == expected


@pytest.mark.parametrize(("score", "expected"), [(0.1, ("gaze",)), (0.4, ("gaze", "listen")), (0.7, ())])
def test_only_a_defect_lets_a_modality_go_unseen(score, expected):
    assert wanted(Settings("cascade"), BLIND, BOTH, score) == expected


@pytest.mark.parametrize("score", [None, 0.0, 0.4, 1.0])
def test_dense_runs_everything_that_can(score):
    assert wanted(Settings("dense"), BLIND, BOTH, score) == ("gaze", "listen")


def test_static_runs_what_it_names():
    assert wanted(Settings("static", ("listen", "glance")), BLIND, BOTH, 0.9) == ("listen",)


@pytest.mark.parametrize("mode", ["dense", "static", "cascade"])
def test_an_expert_without_its_modality_never_runs(mode):
    assert wanted(Settings(mode, ("gaze", "listen")), BLIND, ("microphone",), 0.4) == ("listen",)
