"""Turns the figures of all contestants into tables, and says why a peer is faster where one is."""

import math
from collections.abc import Iterable, Sequence

from tests.benchmarks.rivals.inspecting import Answered
from tests.benchmarks.rivals.kills import Killed
from tests.benchmarks.rivals.steady import Steady

OURS = "inspector"
STEADY_HEAD = (
    "| contestant | offered/s | achieved/s | keeps up | p50 ms | p95 ms | p99 ms | CPU ms per piece | memory MiB "
    "| lost | doubled | other decisions |\n" + "|---" * 12 + "|"
)
KILLED_HEAD = (
    "| contestant | kills | first result after s | pieces | lost | doubled | contradicted |\n" + "|---" * 7 + "|"
)
ANSWERED_HEAD = (
    "| contestant | batch | connections | requests/s | p50 ms | p95 ms | p99 ms | CPU ms per request | memory MiB "
    "| other decisions |\n" + "|---" * 10 + "|"
)
REASONS = {
    "loop": (
        "at most once: a kill loses pieces (table of kills), and nothing waits for a transaction. It has no clock: a "
        "piece whose sound never comes stays in the dictionary for ever, bounded by nothing. It checks no picture and "
        "no sound, answers without evidence, and one bad record ends it (`loop.py`, `joining.py`: 200 lines)"
    ),
    "quix": (
        "its transactions hold as ours do, but the join has no time limit and no bound, it checks no recording and "
        "answers without evidence (`quix.py`)"
    ),
    "fastapi": (
        "it answers with two numbers. Ours builds a "
        "verdict with evidence for all that is not PASS, checks whether picture and sound are plausible, and bounds "
        "what callers can ask for (`fastapi_server.py`)"
    ),
    "litserve": "as for fastapi: two numbers in the answer (`litserve_server.py`)",
    "bentoml": "as for fastapi: two numbers in the answer (`bentoml_server.py`)",
}


def steady_row(result: Steady) -> str:
    cpu = ", ".join(f"{name} {spent:.2f}" for name, spent in sorted(result.cpu_ms.items()))
    latency = " | ".join(f"{value:.0f}" for value in result.beyond_ms)
    return (
        f"| {result.name} | {result.offered:g} | {result.achieved:.1f} | {'yes' if result.keeps_up else 'no'} "
        f"| {latency} | {cpu}; all {sum(result.cpu_ms.values()):.2f} | {result.memory_mib:.0f} "
        f"| {result.tally.lost} | {result.tally.doubled} | {result.tally.differing} |"
    )


def killed_row(result: Killed) -> str:
    tally = result.tally
    return (
        f"| {result.name} | {result.kills} | {result.back_s:.1f} | {tally.sent} | {tally.lost} | {tally.doubled} "
        f"| {tally.contradicted} |"
    )


def answered_row(result: Answered) -> str:
    latency = " | ".join(f"{value:.1f}" for value in result.latency_ms)
    return (
        f"| {result.name} | {result.max_batch} | {result.connections} | {result.per_s:.0f} | {latency} "
        f"| server {result.server_cpu_ms:.2f}, client {result.client_cpu_ms:.2f} | {result.memory_mib:.0f} "
        f"| {result.wrong} |"
    )


def highest(results: Iterable[Steady]) -> dict[str, float]:
    """By contestant, the highest rate without growing lag; 0 where none was."""
    rates: dict[str, float] = {}
    for result in results:
        rates[result.name] = max(rates.get(result.name, 0.0), result.offered if result.keeps_up else 0.0)
    return rates


def fastest(results: Iterable[Answered], max_batch: int) -> dict[str, float]:
    """By contestant with this batch, the most requests a second over all numbers of connections."""
    rates: dict[str, float] = {}
    for result in results:
        if result.max_batch == max_batch:
            rates[result.name] = max(rates.get(result.name, 0.0), result.per_s)
    return rates


def reasons(rates: dict[str, float], what: str) -> list[str]:
    """One line per peer that is faster than the service, with the reason; empty without the service's figure."""
    ours = max((rate for name, rate in rates.items() if family(name) == OURS), default=math.inf)
    return [
        f"- {name} is faster ({rate:.0f} {what}, the service {ours:.0f}): {REASONS[family(name)]}."
        for name, rate in rates.items()
        if rate > ours
    ]


def cheaper(results: Sequence[Steady]) -> list[str]:
    """One line per peer whose processes spend less on a piece than the service at the same rate."""
    lines = []
    ours = {result.offered: result.cpu_ms["service"] for result in results if result.name == OURS and result.keeps_up}
    for result in results:
        mine = ours.get(result.offered)
        if result.name != OURS and result.keeps_up and mine is not None and result.cpu_ms["service"] < mine:
            spent = f"{result.cpu_ms['service']:.2f} ms of CPU a piece at {result.offered:g}/s, the service {mine:.2f}"
            lines.append(f"- {result.name} is cheaper ({spent}): {REASONS[family(result.name)]}.")
    return lines


def family(name: str) -> str:
    return name.split("-")[0]
