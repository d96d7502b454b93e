"""Where a shadow decided differently: which way, and on which pieces."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable

from inspector.cli.log_verdicts import stored_verdicts
from inspector.cli.printable import printable
from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.log import Log

MAX_PIECES = 200_000
"""The newest verdicts of shadows that are compared."""
NAMED = 20


def differences(log: Log) -> list[str]:
    """A line for each way of deciding differently, the most frequent first. Raises LogError."""
    shadows = _newest(verdict for batch in stored_verdicts("shadow verdicts", log.shadow) for verdict in batch)
    if not shadows:
        return ["no shadow has judged a piece that is still in the log"]
    ways: dict[tuple[str, ...], list[str]] = defaultdict(list)
    num_compared = 0
    for batch in stored_verdicts("verdicts", log.tail):
        for live in batch:
            shadow = shadows.get(_key(live))
            if shadow is not None:
                num_compared += 1
                if shadow.decision != live.decision:
                    ways[_way(live, shadow)].append(live.inspection.piece_id)
    lines = [_line(way, pieces) for way, pieces in sorted(ways.items(), key=lambda item: -len(item[1]))]
    return [f"{num_compared} pieces judged by both, {sum(map(len, ways.values()))} differently", *lines]


def _newest(verdicts: Iterable[Verdict]) -> "OrderedDict[tuple[str, str, str, int, int], Verdict]":
    newest: OrderedDict[tuple[str, str, str, int, int], Verdict] = OrderedDict()
    for verdict in verdicts:
        newest[_key(verdict)] = _bare(verdict)
        if len(newest) > MAX_PIECES:
            newest.popitem(last=False)
    return newest


def _key(verdict: Verdict) -> tuple[str, str, str, int, int]:
    named = verdict.inspection
    return named.line, named.station, named.piece_id, named.pass_number, verdict.entry_ns


def _bare(verdict: Verdict) -> Verdict:
    """Without heat maps and figures, which are large."""
    return Verdict(decision=verdict.decision, recipe=verdict.recipe, deployment=verdict.deployment)


def _way(live: Verdict, shadow: Verdict) -> tuple[str, ...]:
    words = (enum_word(Decision, live.decision), enum_word(Decision, shadow.decision))
    return (live.inspection.line, shadow.recipe, str(shadow.deployment), *words)


def _line(way: tuple[str, ...], pieces: list[str]) -> str:
    line, recipe, deployment, live, shadow = way
    more = f" and {len(pieces) - NAMED} more" if len(pieces) > NAMED else ""
    named = ", ".join(pieces[:NAMED])
    return printable(f"{line} {recipe} {deployment}: {live} here, {shadow} by the shadow: {len(pieces)}: {named}{more}")
