"""The metrics that the join reports, independent of a metrics library."""

from typing import Protocol


class JoinMetrics(Protocol):
    """Metrics of the join's sources; called on the thread that drives the join."""

    def appended(self, line: str, station: str, source: str, delay_s: float) -> None:
        """A usable record of a camera or sensor: the delay from its event time to its append time."""

    def waited(self, line: str, station: str, modality: str, wait_s: float) -> None:
        """The wait for a modality has ended: how far the station's clock was beyond the piece's entry."""

    def anchored(self, line: str, station: str, sensor: str) -> None:
        """A stream started, or its stamps no longer matched its sample count."""

    def source_clock(self, line: str, station: str, source: str, offset_s: float, drift_ppm: float | None) -> None:
        """The figures of a source that a recipe names have changed: the lowest delay from event to append (how far its
        clock is behind the log's, transport included), and how fast that grows; None while unknown."""

    def doubted(self, line: str, station: str, source: str) -> None:
        """A piece may not pass because of this source's clock."""

    def misfit(self, line: str, station: str, sensor: str, misfit_s: float) -> None:
        """A chunk's stamp differs from its sample count by more than `jitter_s`; positive: it is stamped later."""

    def forgot(self, line: str, station: str) -> None:
        """A station was dropped: its metrics may be removed."""

    def passed_over(self, topic: str, num_records: int) -> None:
        """Foreign or damaged records on an output topic, skipped during the takeover of a shard."""


class NoMetrics:
    """Reports nothing."""

    def appended(self, line: str, station: str, source: str, delay_s: float) -> None: ...

    def waited(self, line: str, station: str, modality: str, wait_s: float) -> None: ...

    def anchored(self, line: str, station: str, sensor: str) -> None: ...

    def passed_over(self, topic: str, num_records: int) -> None: ...

    def forgot(self, line: str, station: str) -> None: ...

    def source_clock(self, line: str, station: str, source: str, offset_s: float, drift_ppm: float | None) -> None: ...

    def doubted(self, line: str, station: str, source: str) -> None: ...

    def misfit(self, line: str, station: str, sensor: str, misfit_s: float) -> None: ...
