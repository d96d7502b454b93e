"""Decides which pieces people look at, and which of them need a second opinion. Deterministic: depends on the
inspection id and the seed alone."""

from hashlib import blake2b

from inspector.recipe.keep import draw as pass_draw
from inspector.review.settings import ReviewSettings
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason
from streams.observation import InspectionId

_UNKNOWABLE = frozenset({DecisionReason.DECISION_REASON_ID_READ_TWICE})
"""Two parts have the id: an answer would be about either of them."""


def is_wanted(inspection: InspectionId, decision: int, reason: int, settings: ReviewSettings) -> bool:
    """Whether the piece belongs in the queue. The sample of PASS is drawn as recipes draw the pieces that they keep:
    with equal seeds a smaller share lies within a larger one."""
    if reason in _UNKNOWABLE:
        return False
    match decision:
        case Decision.DECISION_PASS:
            return pass_draw(inspection, settings.seed) < settings.pass_share
        case Decision.DECISION_FAIL:
            return settings.fails
        case _:
            return True


def num_wanted(inspection: InspectionId, settings: ReviewSettings) -> int:
    """Findings by different people: 1, or 2 for the share of second opinions."""
    return 2 if _draw("second", inspection, settings.seed) < settings.second_share else 1


def decisions_shown(settings: ReviewSettings) -> frozenset[int]:
    """Decisions that the queue may hold: a known piece of another one would be recognised."""
    shown: set[int] = {Decision.DECISION_REVIEW}
    if settings.fails:
        shown.add(Decision.DECISION_FAIL)
    if settings.pass_share > 0:
        shown.add(Decision.DECISION_PASS)
    return frozenset(shown)


def _draw(purpose: str, inspection: InspectionId, seed: int) -> float:
    """A number in [0, 1) that looks random and is always the same for this inspection."""
    text = "\x1f".join((purpose, str(seed), *map(str, inspection)))
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()) / 2**64
