"""How long readings of whole data sets say how far they are."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the number done and the total."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress."""
