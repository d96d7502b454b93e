"""Places values on the axes of plots. Scores lie on log-odds, which give small and large probabilities room."""

import math

from inspector.verdicts.score_text import NEARLY_ONE, score_text

REACH = math.log(0.999 / 0.001)
TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def score_place(score: float) -> float:
    """0 to 1; scores beyond .001 and .999 lie at the ends."""
    bounded = min(max(score, 0.001), 0.999)
    return (math.log(bounded / (1 - bounded)) + REACH) / (2 * REACH)


def short(value: float) -> str:
    """Such as 0.02, or 0.9998: three digits that matter, and a limit below 1 is never written as 1."""
    return score_text(value) if NEARLY_ONE < value < 1 else f"{value:.3g}"
