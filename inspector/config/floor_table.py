"""The table of the floor: archive, alerts and live page in a process of their own."""

from inspector.config.tables import Table


class FloorTable(Table):
    """Archive, alerts and live page."""

    enabled: bool = True
    """`inspector serve` also runs the floor, in a process of its own. Set it to false where `inspector floor` runs
    separately, or not at all."""
