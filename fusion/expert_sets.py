"""Lists the sets of experts that can run together."""

from collections.abc import Sequence
from itertools import chain, combinations

from fusion.policy import Expert


def expert_sets(experts: Sequence[Expert]) -> list[tuple[str, ...]]:
    """Every non-empty set, as sorted names, small sets first, so that every set a policy may run is calibrated."""
    names = sorted(expert.name for expert in experts)
    return list(chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)))
