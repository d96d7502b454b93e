"""How long readings of whole data sets say how far they are."""

from collections.abc import Callable

WHOLE = "in all"
"""The stage that counts the parts of a whole command, in which the other stages follow each other."""

Count = Callable[[int, int], None]
"""The same for one stage: the number done and the total."""

Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the number done and the total."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress."""


def uncounted(done: int, total: int) -> None:
    """No progress."""
