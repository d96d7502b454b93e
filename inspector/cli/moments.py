"""Reads moments as people write them."""

import time
from datetime import datetime

import click

from inspector.cli.duration import seconds_of


class Moment(click.ParamType[int]):
    """Nanoseconds since the Unix epoch, from `2026-11-21T06:00` (without a zone: local time) or `7d` (before now)."""

    name = "moment"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1_000_000) * 1000
        except ValueError:
            pass
        try:
            return time.time_ns() - round(seconds_of(value) * 1e9)
        except ValueError:
            self.fail(
                f"{value[:40]!r} is no moment; write a time such as 2026-11-21T06:00, or 7d for a week ago", param
            )


MOMENT = Moment()
