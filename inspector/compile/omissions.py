"""Says which products may stay in float so that a quantised graph decides as before. Knows no runtime."""

from collections.abc import Sequence
from typing import NamedTuple


class Omission(NamedTuple):
    first: bool
    """What sees the input itself: its range is that of the brightest pixel."""
    last: bool
    """What the readout hears."""

    def of(self, products: Sequence[str]) -> set[str]:
        """Names of the products that stay in float."""
        return {*products[: self.first], *products[len(products) - self.last :]}

    @property
    def words(self) -> str:
        left = [name for name, is_left in (("first", self.first), ("last", self.last)) if is_left]
        return f" without the {' and the '.join(left)} product" if left else ""


OMISSIONS = (Omission(False, False), Omission(True, False), Omission(False, True), Omission(True, True))
"""In the order in which they are tried: what saves most time first."""
