"""The floor as the child process of `inspector serve`. Imports none of it: a worker needs neither page nor database."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from inspector.config.service import Service
from inspector.service.child import Child


@contextmanager
def floor_process(service: Service) -> Iterator[Child | None]:
    """Runs the floor as a child process of this one, if the configuration wants it."""
    if not service.config.floor.enabled:
        yield None
        return
    options = click.get_current_context().find_root().params
    log_options = [
        "--log-level",
        options.get("log_level", "info"),
        *(["--log-json"] if options.get("log_json") else []),
    ]
    command = [*log_options, "floor", "--config", str(service.path), "--stop-with-parent"]
    with Child("floor", command, f"To see why: inspector floor --config {service.path}") as child:
        yield child
