"""A real MQTT broker, mosquitto, on a free port of loopback; it keeps retained messages over a restart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, free_port
from tests.servers.programs import required

CONFIG = """listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
autosave_interval 1
"""


@contextmanager
def running_mosquitto(folder: Path) -> Iterator[ServerProcess]:
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(CONFIG.format(port=port, folder=folder))
    server = ServerProcess([str(required("mosquitto")), "-c", str(config)], port, folder / "mosquitto.log")
    server.start()
    try:
        yield server
    finally:
        server.kill()
