"""Makes texts that others wrote fit for people's eyes, and joins words."""

import unicodedata
from collections.abc import Sequence

MAX_TEXT = 240
"""Characters of a text that others wrote, such as `detail`."""


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """The text without control and direction characters, cut to `limit` characters."""
    if text.isprintable() and len(text) <= limit:
        return text.strip()
    kept = "".join(" " if char.isspace() else char for char in text[: 4 * limit] if _is_shown(char)).strip()
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _is_shown(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; there is one at least."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
