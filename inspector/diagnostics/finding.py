"""One line of what `inspector doctor` found."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """State `optional`: absent, but not needed for serving; `wrong`: needed."""

    subject: str
    state: Literal["ok", "optional", "wrong"]
    detail: str
    remedy: str = ""
