"""The exact interval of a share (Clopper and Pearson 1934)."""

from fusion.certificate import rate_below


def exact_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided; (0, 1) without any case."""
    one_sided = (1 + confidence) / 2
    low = 1 - rate_below(total, total - count, one_sided) if count else 0.0
    return low, rate_below(total, count, one_sided)
