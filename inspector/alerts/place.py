"""Names the part of a line that a condition watches."""

from typing import NamedTuple


class Place(NamedTuple):
    """One chart watches one place, and an alert is about one place: at most one alert of a place is open."""

    condition: str
    """`<recipe>/<alert>` for those of a recipe, one word for those of the service."""
    line: str
    station: str
    """Empty where the whole line is meant."""
    part: str = ""
    """A camera or sensor, or a worker; empty for none."""

    @property
    def words(self) -> str:
        """Such as `line-1/press-2 mic`."""
        at = "/".join(name for name in (self.line, self.station) if name)
        return f"{at} {self.part}".strip()
