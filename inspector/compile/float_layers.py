"""Lists which products may stay in float, and chooses among them by the flips that the gate counts."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from inspector.parity.report import ParityReport


class FloatLayerRule(NamedTuple):
    first: bool
    """Products on the input itself: its range is that of the brightest pixel."""
    last: bool
    """Inputs of the readout."""

    def of(self, products: Sequence[str]) -> set[str]:
        """Names of the products that stay in float."""
        return {*products[: self.first], *products[len(products) - self.last :]}

    @property
    def suffix(self) -> str:
        """Of file names."""
        return ".first" * self.first + ".last" * self.last

    @property
    def description(self) -> str:
        left = [name for name, is_left in (("first", self.first), ("last", self.last)) if is_left]
        return f" without the {' and the '.join(left)} product" if left else ""


FLOAT_LAYER_RULES = (
    FloatLayerRule(False, False),
    FloatLayerRule(True, False),
    FloatLayerRule(False, True),
    FloatLayerRule(True, True),
)
"""In the order in which they are tried where no speed is known: the least first."""


class Counted(Protocol):
    @property
    def report(self) -> ParityReport: ...


Trial = TypeVar("Trial", bound=Counted)


def fewest_flips(trials: Iterable[Trial], enough: int) -> Trial | None:
    """Stops at the first with `enough` flips or fewer."""
    best: Trial | None = None
    for trial in trials:
        if best is None or _harm(trial) < _harm(best):
            best = trial
        if _harm(best) <= (0, enough):
            break
    return best


def _harm(trial: Counted) -> tuple[int, int]:
    return len(trial.report.new_passes), len(trial.report.flips)
