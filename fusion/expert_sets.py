"""Lists the sets of experts that can run together. Knows no scores."""

from collections.abc import Sequence
from itertools import chain, combinations

from fusion.policy import Expert


def expert_sets(experts: Sequence[Expert]) -> list[tuple[str, ...]]:
    """Sorted names, every set that is not empty, small ones first: whatever a policy runs is then calibrated."""
    names = sorted(expert.name for expert in experts)
    return list(chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)))
