"""Compares the verdicts that a client received with the true state of the pieces."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

import numpy as np

from inspector.verdicts.words import enum_word
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, Verdict

_NS_PER_MS = 1_000_000
_WORDS: Mapping[int, Literal["pass", "fail"]] = {Decision.DECISION_PASS: "pass", Decision.DECISION_FAIL: "fail"}


class Latency(TypedDict):
    p50: float
    p95: float
    p99: float


Summary = TypedDict(
    "Summary",
    {
        "pieces": int,
        "verdicts": int,
        "doubled": int,
        "missing": int,
        "pass": int,
        "fail": int,
        "review": int,
        "escapes": int,
        "false_rejects": int,
        "latency_ms": Latency,
        "experts_run": int,
        "experts_skipped": int,
        "first_verdict_s": float | None,
    },
)


def decision_word(verdict: Verdict) -> Literal["pass", "fail", "review"]:
    """Anything but PASS and FAIL is "review"."""
    return _WORDS.get(verdict.decision, "review")


def reason_word(verdict: Verdict) -> str:
    return enum_word(DecisionReason, verdict.reason).lower()


@dataclass(slots=True)
class Tally:
    """Verdicts by piece. `truth` lists the defects of each piece; none means good."""

    truth: Mapping[str, tuple[str, ...]]
    decisions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    escapes: list[str] = field(default_factory=list)
    false_rejects: list[str] = field(default_factory=list)
    received: int = 0
    doubled: int = 0
    experts_run: int = 0
    experts_skipped: int = 0
    _seen: set[tuple[str, str, str, int]] = field(default_factory=set)
    _latencies_ms: list[float] = field(default_factory=list)

    def add(self, verdict: Verdict, received_ns: int) -> None:
        """Adds a verdict; a second one for the same inspection only counts as doubled."""
        self.received += 1
        named = verdict.inspection
        key = (named.line, named.station, named.piece_id, named.pass_number)
        if key in self._seen:
            self.doubled += 1
            return
        self._seen.add(key)
        word = decision_word(verdict)
        self.decisions[word] += 1
        self.reasons[f"{word}/{reason_word(verdict)}"] += 1
        self.experts_run += sum(expert.ran for expert in verdict.experts)
        self.experts_skipped += sum(not expert.ran for expert in verdict.experts)
        self._latencies_ms.append((received_ns - verdict.capture_ns) / _NS_PER_MS)
        self._compare(named.piece_id, word)

    def _compare(self, piece_id: str, word: str) -> None:
        defects = self.truth.get(piece_id, ())
        if defects and word == "pass":
            self.escapes.append(piece_id)
        if not defects and word == "fail":
            self.false_rejects.append(piece_id)

    @property
    def missing(self) -> int:
        """Pieces without a verdict; verdicts on unknown pieces do not count."""
        return len(self.truth.keys() - {piece_id for _, _, piece_id, _ in self._seen})

    @property
    def complete(self) -> bool:
        return self.missing == 0

    def latency_ms(self) -> Latency:
        """Capture to receipt; zeros without a verdict."""
        values = self._latencies_ms or [0.0]
        p50, p95, p99 = (round(float(value), 1) for value in np.percentile(values, (50, 95, 99)))
        return {"p50": p50, "p95": p95, "p99": p99}

    def summary(self, first_verdict_s: float | None) -> Summary:
        """The last line that the demo prints."""
        return {
            "pieces": len(self.truth),
            "verdicts": self.received,
            "doubled": self.doubled,
            "missing": self.missing,
            "pass": self.decisions["pass"],
            "fail": self.decisions["fail"],
            "review": self.decisions["review"],
            "escapes": len(self.escapes),
            "false_rejects": len(self.false_rejects),
            "latency_ms": self.latency_ms(),
            "experts_run": self.experts_run,
            "experts_skipped": self.experts_skipped,
            "first_verdict_s": first_verdict_s,
        }
