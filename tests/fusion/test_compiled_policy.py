"""A compiled policy takes the routes of the functions that define it."""

import numpy as np
import pytest

from fusion import compiled_policy
from fusion.compiled_policy import CompiledPolicy
from fusion.policy import PartialResult, initial_experts, next_experts
from tests.fusion.routers import EXPERTS, MODALITIES, MODES, random_partial, random_policy

BATCHES = 125


@pytest.mark.parametrize("mode", MODES)
def test_ten_thousand_random_pieces_take_the_same_routes(mode):
    """2,000 pieces of each mode in batches of 16, of four routers."""
    random = np.random.default_rng(MODES.index(mode))
    policies = [random_policy(mode, random) for _ in range(4)]
    compiled = [CompiledPolicy(policy, EXPERTS) for policy in policies]
    routes = set()
    for number in range(BATCHES):
        policy, fast = policies[number % 4], compiled[number % 4]
        multiplier = float(random.choice([1.0, 3.0]))
        batch = [random_partial(policy, random) for _ in range(16)]
        expected = next_experts(policy, EXPERTS, batch, multiplier)
        assert fast.next_experts(batch, multiplier) == expected
        for partial in batch:
            assert fast.initial_experts(partial.present) == initial_experts(policy, EXPERTS, partial.present)
        routes |= set(expected)
    assert len(routes) > 1 or mode == "dense"


def test_no_pieces_have_no_routes():
    assert CompiledPolicy(random_policy("learned", np.random.default_rng(0)), EXPERTS).next_experts([]) == []


def test_the_table_of_situations_is_bounded(monkeypatch):
    monkeypatch.setattr(compiled_policy, "MAX_SITUATIONS", 2)
    policy = random_policy("learned", np.random.default_rng(0))
    fast = CompiledPolicy(policy, EXPERTS)
    pieces = [PartialResult(frozenset(MODALITIES[:num]), {}, None, fails=False) for num in range(len(MODALITIES) + 1)]
    assert fast.next_experts(pieces) == next_experts(policy, EXPERTS, pieces)
    assert fast.num_situations <= 2
