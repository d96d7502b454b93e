"""Times the choice of experts for a batch of 16 pieces: compiled once per bundle, and as it is defined.

    python -m tests.benchmarks.router_cost

Thread CPU, the least of several rounds in turns, of random routers and pieces that take the same routes both ways.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np

from fusion.compiled_policy import CompiledPolicy
from fusion.policy import PartialResult, next_experts
from tests.fusion.routers import EXPERTS, MODES, MadePolicy, random_partial, random_policy

BATCH = 16
ROUNDS, CALLS = 15, 100


def main() -> None:
    """Prints the table as Markdown."""
    print("| mode | pieces | defined, µs per piece | compiled, µs per piece | ratio |")
    print("|---|---|---|---|---|")
    for mode in MODES:
        random = np.random.default_rng(7)
        policy = random_policy(mode, random)
        mixed = [random_partial(policy, random) for _ in range(BATCH)]
        for name, pieces in (("whole", _alike(policy, random)), ("mixed", mixed)):
            slow_us, fast_us = measure(policy, pieces)
            print(f"| {mode} | {name} | {slow_us:.2f} | {fast_us:.2f} | {slow_us / fast_us:.1f} |", flush=True)


def _alike(policy: MadePolicy, random: np.random.Generator) -> list[PartialResult]:
    """Pieces with everything, of which none fails."""
    pieces: list[PartialResult] = []
    while len(pieces) < BATCH:
        piece = random_partial(policy, random)
        if len(piece.present) == 3 and piece.log_odds is not None and not piece.fails:
            pieces.append(piece)
    return pieces


def measure(policy: MadePolicy, pieces: Sequence[PartialResult]) -> tuple[float, float]:
    """Microseconds per piece, as defined and compiled."""
    compiled = CompiledPolicy(policy, EXPERTS)
    ways = (lambda: next_experts(policy, EXPERTS, pieces), lambda: compiled.next_experts(pieces))
    if ways[0]() != ways[1]():
        raise AssertionError(f"{policy.mode}: the routes differ")
    rounds = [[_spent_s(way) for way in ways] for _ in range(ROUNDS)]
    slow_s, fast_s = (min(spent[index] for spent in rounds) for index in range(2))
    return slow_s / CALLS / len(pieces) * 1e6, fast_s / CALLS / len(pieces) * 1e6


def _spent_s(way: Callable[[], object]) -> float:
    started_s = time.thread_time()
    for _ in range(CALLS):
        way()
    return time.thread_time() - started_s


if __name__ == "__main__":
    main()
