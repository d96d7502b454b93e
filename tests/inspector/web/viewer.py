"""A plain client of the event stream: one socket, no browser."""

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Event:
    """One event as it came; `number` is its id, empty for states."""

    number: str
    kind: str
    data: object


class Viewer:
    """Connects at once; `next` waits for an event. Raises EOFError at the end of the stream."""

    def __init__(self, port: int, after: str = "", timeout_s: float = 60.0, receive_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(timeout_s)
        self._socket.connect(("127.0.0.1", port))
        last = f"Last-Event-ID: {after}\r\n" if after else ""
        self._socket.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{last}\r\n".encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass
        self._text = b""
        self.last = after

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def next(self) -> Event:
        """The next event with data."""
        while True:
            while b"\n\n" not in self._text:
                self._text += self._chunk()
            frame, _, self._text = self._text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if ": " in line)
            self.last = fields.get("id", self.last)
            if "data" in fields:
                message = json.loads(fields["data"])
                return Event(fields.get("id", ""), message["kind"], message["data"])

    def until(self, kind: str) -> Event:
        """The next event of this kind."""
        while (event := self.next()).kind != kind:
            pass
        return event

    def offsets(self, count: int) -> list[int]:
        """Offsets of the next verdicts."""
        return [int(self.until("verdict").data["at"][1]) for _ in range(count)]  # type: ignore[index]

    def drain(self) -> None:
        """Reads all there is and keeps nothing; ends with EOFError or an error of the socket."""
        while self._socket.recv(65_536):
            pass
        raise EOFError

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _chunk(self) -> bytes:
        size = int(self._file.readline() or b"0", 16)
        data = self._file.read(size)
        self._file.readline()
        if not data:
            raise EOFError
        return data
