"""The table of the floor: archive, alerts and live page in a process of their own."""

from inspector.config.tables import Address, MetricsTable, Table


class FloorMetricsTable(MetricsTable):
    """Where the floor's metrics are served, beside `/metrics` of the live page; without this table only there."""

    listen: Address = "127.0.0.1:9465"
    """Where Prometheus finds `/metrics`, as host:port."""


class FloorTable(Table):
    """Archive, alerts and live page."""

    enabled: bool = True
    """`inspector serve` also runs the floor, in a process of its own. Set it to false where `inspector floor` runs
    separately, or not at all."""
    metrics: FloorMetricsTable | None = None
    """An address of its own for the floor's metrics. Without this table they are at `/metrics` of the live page only,
    which asks for sign-in where access is configured."""
