"""A real RTSP server that plays a file from its beginning to every client: GStreamer's, run by the system's Python."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.servers.process import ServerProcess, free_port

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""GStreamer's bindings belong to it, not to this environment."""
WHY_MISSING = (
    "GStreamer's RTSP server is not installed: apt-get install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good python3-gi"
)
_IMPORTS = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ("avidemux", "jpegparse", "rtpjpegpay"))
"""
_PROGRAM = (
    _IMPORTS
    + """
import sys
path, port = sys.argv[1:3]


class Playing(GstRtspServer.RTSPMediaFactory):
    def do_create_element(self, url):
        return Gst.parse_launch(
            f'( filesrc location="{path}" ! avidemux ! jpegparse ! rtpjpegpay name=pay0 pt=26 )'
        )


server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = Playing()
server.get_mount_points().add_factory("/test", factory)
server.attach(None)
GLib.MainLoop().run()
"""
)


@cache
def is_missing() -> bool:
    if not SYSTEM_PYTHON.exists():
        return True
    return subprocess.run([SYSTEM_PYTHON, "-c", _IMPORTS], capture_output=True, check=False).returncode != 0


@contextmanager
def running_rtsp(video: Path, folder: Path) -> Iterator[ServerProcess]:
    """Serves a Motion-JPEG file at rtsp://127.0.0.1:PORT/test."""
    port = free_port()
    program = folder / "rtsp_server.py"
    program.write_text(_PROGRAM)
    command = [str(SYSTEM_PYTHON), str(program), str(video), str(port)]
    server = ServerProcess(command, port, folder / "rtsp.log", environment={"PYTHONPATH": ""})
    server.start()
    try:
        yield server
    finally:
        server.kill()
