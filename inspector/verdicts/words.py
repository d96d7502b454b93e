"""Turns values of the wire's enums into short words. Imports no other module of inspector."""

import re
from enum import StrEnum

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

_WORD_STARTS = re.compile(r"(?<!^)(?=[A-Z])")


class RunReason(StrEnum):
    """Values of `ExpertRun.why`."""

    SCOUT = "scout"
    ROUTED = "routed"
    SKIPPED = "skipped"
    """Not needed for the decision."""
    ABSENT = "absent"
    """Its camera or sensor gave nothing usable."""


def enum_word(enum: EnumTypeWrapper, number: int) -> str:
    """The name without its enum's prefix: `NO_IMAGE` for DECISION_REASON_NO_IMAGE.

    A value that only a newer version knows is its number.
    """
    value = enum.DESCRIPTOR.values_by_number.get(number)
    if value is None:
        return str(number)
    return value.name.removeprefix(_WORD_STARTS.sub("_", enum.DESCRIPTOR.name).upper() + "_")
