"""The order of the files of tests; `make test` keeps each file in one process."""

from collections.abc import Iterable

EARLY = ("integration/", "inspector/compile/", "inspector/web/", "streams/join/")
"""Whole lines and long files come early: a long file at the end leaves a core idle."""
EARLY_SHARE = 0.7
"""They are spread over this share of a run: whole lines wait more than they compute, and other files fill the cores."""


def places(files: Iterable[str]) -> dict[str, float]:
    """By file: where in a run it comes, from 0 to 1."""
    names = list(files)
    early = [name for name in names if name.startswith(EARLY)]
    others = [name for name in names if not name.startswith(EARLY)]
    order = {name: number / len(others) for number, name in enumerate(others)}
    return order | {name: EARLY_SHARE * number / len(early) for number, name in enumerate(early)}
