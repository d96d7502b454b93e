"""Says what the join reports while it works. Knows no metrics library."""

from typing import Protocol


class JoinMetrics(Protocol):
    """What the join tells about its sources; called on the thread that drives it."""

    def appended(self, line: str, station: str, source: str, delay_s: float) -> None:
        """A usable record of a camera or sensor: how long after its event time the log took it."""

    def waited(self, line: str, station: str, modality: str, wait_s: float) -> None:
        """Nothing more is waited for: how far the station's clock was beyond the piece's entry."""

    def anchored(self, line: str, station: str, sensor: str) -> None:
        """A stream began, or its stamps no longer fitted its count."""

    def source_clock(self, line: str, station: str, source: str, offset_s: float, drift_ppm: float | None) -> None:
        """A record of a source that a recipe names: the lowest delay from event to append (how far its clock is behind
        the log's, transport included), and how fast that grows; None where it cannot be told yet."""

    def doubted(self, line: str, station: str, source: str) -> None:
        """A piece may not pass because of this source's clock."""

    def misfit(self, line: str, station: str, sensor: str, misfit_s: float) -> None:
        """A chunk was stamped so much later than its samples count: by more than `jitter_s`, either way."""

    def forgot(self, line: str, station: str) -> None:
        """A station gave up its place: what was reported of it may go."""

    def passed_over(self, topic: str, num_records: int) -> None:
        """Records on an output topic that no inspector wrote, or that are damaged: seen while taking over a shard."""


class NoMetrics:
    """Reports to nobody."""

    def appended(self, line: str, station: str, source: str, delay_s: float) -> None: ...

    def waited(self, line: str, station: str, modality: str, wait_s: float) -> None: ...

    def anchored(self, line: str, station: str, sensor: str) -> None: ...

    def passed_over(self, topic: str, num_records: int) -> None: ...

    def forgot(self, line: str, station: str) -> None: ...

    def source_clock(self, line: str, station: str, source: str, offset_s: float, drift_ppm: float | None) -> None: ...

    def doubted(self, line: str, station: str, source: str) -> None: ...

    def misfit(self, line: str, station: str, sensor: str, misfit_s: float) -> None: ...
