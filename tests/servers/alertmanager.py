"""A real Alertmanager on a free port of loopback, which passes alerts on to a webhook at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, free_port
from tests.servers.programs import required

CONFIG = """route:
  receiver: test
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs: [{webhook}]
"""


@contextmanager
def running_alertmanager(folder: Path, webhook_url: str | None = None) -> Iterator[ServerProcess]:
    """Its API is at http://127.0.0.1:PORT/api/v2; alerts survive a restart only as far as it keeps them itself."""
    port = free_port()
    config = folder / "alertmanager.yml"
    webhook = f"{{url: '{webhook_url}', send_resolved: true}}" if webhook_url else ""
    config.write_text(CONFIG.format(webhook=webhook))
    flags = [
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.path={folder / 'alertmanager'}",
        "--cluster.listen-address=",
    ]
    server = ServerProcess([str(required("alertmanager")), *flags], port, folder / "alertmanager.log")
    server.start()
    try:
        yield server
    finally:
        server.kill()
