"""The exact interval of a share (Clopper and Pearson 1934)."""

from scipy.special import betaincinv


def exact_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided; (0, 1) without any case."""
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high
