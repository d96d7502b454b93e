"""Lists the sets of experts that can run together, by modality and route. Knows no scores."""

from collections.abc import Sequence
from itertools import chain, combinations

from fusion.policy import Expert


def expert_sets(experts: Sequence[Expert], static_experts: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Sorted names, each set once: for every set of modalities present, each way a policy may leave experts out."""
    modalities = list(dict.fromkeys(expert.modality for expert in experts))
    scouted = {expert.modality for expert in experts if expert.scout}
    routes = [
        experts,
        [expert for expert in experts if expert.scout],
        [expert for expert in experts if expert.scout or expert.modality not in scouted],
        [expert for expert in experts if expert.scout or expert.name in static_experts],
    ]
    subsets = chain.from_iterable(combinations(modalities, size) for size in range(1, len(modalities) + 1))
    ran = (
        tuple(sorted(expert.name for expert in route if expert.modality in subset))
        for subset in subsets
        for route in routes
    )
    return [names for names in dict.fromkeys(ran) if names]
