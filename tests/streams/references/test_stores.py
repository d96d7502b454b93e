"""Files behind addresses: by their real place, from servers that answer, hang, trickle or send too much."""

import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import fsspec
import pytest

from streams.references.addresses import Address, allowed
from streams.references.stores import read, read_object
from streams.references.transfer import FetchError, FetchTimeoutError, Transfer

CONTENT = b"image" * 1000


def fetch(uri: str, *prefixes: str, size_bytes: int = len(CONTENT), timeout_s: float = 10.0) -> bytes:
    address = allowed(uri, prefixes)
    assert address is not None
    return received(address, Transfer(address.shown, size_bytes, timeout_s))


def received(address: Address, transfer: Transfer) -> bytes:
    read(address, transfer)
    return transfer.content(sha256(CONTENT).digest())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "a.png").write_bytes(CONTENT)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.png").write_bytes(CONTENT)
    return folder


@pytest.mark.parametrize(
    "name", ["Gehäuse 1.png", "50%.png", "50%25.png", "a#1.png", "what?.png", "a%20b.png", "a;b=c&d.png"]
)
@pytest.mark.parametrize("place", ["Halle 7 #%20?", "frames"])
def test_a_name_is_found_encoded_and_as_written(tmp_path: Path, name: str, place: str) -> None:
    file = tmp_path / place / name
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    for prefix in (file.parent.as_uri(), f"file://{file.parent}", f"{file.parent}/"):
        for uri in (file.as_uri(), f"file://{file}", f"file://localhost{quote(str(file))}", str(file)):
            assert fetch(uri, prefix) == CONTENT


def test_what_an_encoded_address_means_comes_before_what_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(CONTENT)
    (tmp_path / "a%20b.png").write_bytes(CONTENT[:-1] + b"!")
    assert fetch((tmp_path / "a b.png").as_uri(), tmp_path.as_uri()) == CONTENT


def test_a_link_that_leads_outside_is_refused(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "secret" / "s.png")
    (folder / "below").symlink_to(folder.parent / "secret")
    for name in ("link.png", "below/s.png"):
        with pytest.raises(FetchError, match="is a link to a file outside"):
            fetch(f"file://{folder}/{name}", f"file://{folder}")


def test_a_link_that_stays_inside_and_a_prefix_that_is_a_link_are_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "again.png").symlink_to("a.png")
    (tmp_path / "mounted").symlink_to(folder)
    assert fetch(f"file://{tmp_path}/mounted/again.png", f"file://{tmp_path}/mounted/") == CONTENT


def test_links_that_are_swapped_meanwhile_open_nothing_outside(folder: Path) -> None:
    """A link turns between a file inside and one outside as fast as it can, while the file is read."""
    link, secret = folder / "turning.png", folder.parent / "secret" / "s.png"
    secret.write_bytes(b"S" * len(CONTENT))
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            for target in (folder / "a.png", secret):
                (folder / "next").symlink_to(target)
                os.replace(folder / "next", link)

    thread = threading.Thread(target=turn)
    thread.start()
    seen = set()
    try:
        for _ in range(300):
            transfer = Transfer("x", len(CONTENT), 10.0)
            try:
                read(Address(f"file://{link}", f"file://{folder}"), transfer)
                seen.add(transfer._buffer.getvalue())
            except FetchError:
                continue
    finally:
        stop.set()
        thread.join()
    assert seen <= {CONTENT}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_without_waiting(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "odd.png")
    started_s = time.monotonic()
    with pytest.raises(FetchError, match=r"is not a regular file|is a link"):
        fetch(f"file://{folder}/odd.png", f"file://{folder}")
    assert time.monotonic() - started_s < 30


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(len(CONTENT) + 1, "has 5000 bytes, but the frame says 5001"), (4999, "the frame says 4999")],
)
def test_another_size_is_refused_unread(folder: Path, size_bytes: int, words: str) -> None:
    with pytest.raises(FetchError, match=words):
        fetch(f"file://{folder}/a.png", f"file://{folder}", size_bytes=size_bytes)


@pytest.mark.parametrize("name", ["gone.png", "a.png/b.png", "n" * 300])
def test_a_file_that_cannot_be_opened_is_named_with_the_cause(folder: Path, name: str) -> None:
    with pytest.raises(FetchError, match=r"cannot be read .*check the address and the access rights"):
        fetch(f"file://{folder}/{name}", f"file://{folder}")


class Server(socketserver.ThreadingTCPServer):
    """Sends the same answers to every client and waits where a number of seconds is given. Uses real sockets, so that
    time-outs are those of the operating system."""

    daemon_threads = True

    def __init__(self, answers: tuple[bytes | float, ...], repeats: int) -> None:
        self.answers, self.repeats, self.over = answers, repeats, threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that disconnect are expected here."""


class Answer(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        self.request.recv(65536)
        for part in self.server.answers * self.server.repeats:
            if isinstance(part, float):
                self.server.over.wait(part)
            else:
                self.request.sendall(part)


@contextmanager
def server(*answers: bytes | float, repeats: int = 1) -> Iterator[str]:
    with Server(answers, repeats) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/"
        running.over.set()
        running.shutdown()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT)


@pytest.mark.parametrize(
    "answers",
    [
        (SIZED, CONTENT),
        (OK + b"\r\n", CONTENT),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % len(CONTENT), CONTENT, b"\r\n0\r\n\r\n"),
        (SIZED, CONTENT[:3000], 0.05, CONTENT[3000:]),
    ],
)
def test_a_file_comes_over_http(answers: tuple[bytes | float, ...]) -> None:
    with server(*answers) as root:
        assert fetch(f"{root}a%20b.png?version=1", root) == CONTENT


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"HTTP/1.1 404 Not Found\r\n\r\n",), "404 'Not Found': check the address"),
        (
            (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",),
            "302 'Found': redirections are not followed",
        ),
        ((OK + b"Content-Length: 99999999999\r\n\r\n",), "has 99999999999 bytes, but the frame says 5000"),
        ((SIZED, CONTENT[:100]), "cannot be read .IncompleteRead|has 100 bytes"),
        ((OK + b"\r\n", CONTENT, b"more"), "has more than the 5000 bytes"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "cannot be read .BadStatusLine"),
        ((b"\xff" * 60_000 + b"\r\n",), "cannot be read .BadStatusLine"),
        ((SIZED, b"x" * len(CONTENT)), "SHA-256"),
    ],
)
def test_what_a_server_sends_in_place_of_the_file_is_named(answers: tuple[bytes, ...], words: str) -> None:
    with server(*answers) as root, pytest.raises(FetchError, match=words) as caught:
        fetch(f"{root}a.png", root)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "answers",
    [
        (60.0,),
        (SIZED, b"x", 60.0),
        (SIZED, *[b"x", 0.02] * 3000),
        (OK, *[b"X: y\r\n", 0.02] * 3000),
    ],
    ids=["nothing", "begins", "trickles", "trickles-headers"],
)
def test_a_server_that_does_not_send_the_file_in_time_is_given_up(answers: tuple[bytes | float, ...]) -> None:
    started_s = time.monotonic()
    with server(*answers) as root:
        transfer = Transfer("image", len(CONTENT), 0.3)
        threading.Timer(0.4, transfer.abandon).start()  # as the polling thread does
        with pytest.raises(FetchTimeoutError, match="did not arrive within"):
            received(Address(f"{root}a.png", root), transfer)
    assert time.monotonic() - started_s < 30


def test_an_endless_answer_takes_no_more_memory_than_announced() -> None:
    with server(OK + b"\r\n", b"x" * 4000, repeats=10_000) as root, pytest.raises(FetchError, match="has more than"):
        fetch(f"{root}a.png", root)


def test_nobody_at_the_address_is_said() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(FetchError, match="ConnectionRefusedError"):
        fetch(f"http://127.0.0.1:{port}/a.png", f"http://127.0.0.1:{port}/")


def test_a_password_in_an_address_is_in_no_message() -> None:
    with server(b"HTTP/1.1 403 Forbidden\r\n\r\n") as root, pytest.raises(FetchError) as refused:
        fetch(f"{root}a.png?X-Amz-Signature=secret", root)
    assert "secret" not in str(refused.value)


def test_other_stores_are_read_in_blocks() -> None:
    fsspec.filesystem("memory").pipe("/line/a.png", CONTENT)
    transfer = Transfer("x", len(CONTENT), 10.0)
    read_object(Address("memory://line/a.png", "memory://line"), transfer)
    assert transfer.content(sha256(CONTENT).digest()) == CONTENT
    with pytest.raises(FetchError, match="the frame says 10"):
        read_object(Address("memory://line/a.png", "memory://line"), Transfer("x", 10, 10.0))


HANGS = """
import sys, threading
from streams.references.addresses import Address
from streams.decode.items import Frame, Origin, Reference
from streams.decode.limits import Limits
from streams.observation import InspectionId
from streams.references.references import ReferenceSettings, Resolver
begun = threading.Semaphore(0)
def read(address, transfer):
    begun.release()
    threading.Event().wait()
resolver = Resolver(ReferenceSettings(("file:///x",)), Limits(), read)
for i in range(4):
    reference = Reference("file:///x/a.png", bytes(32), 5, 2)
    resolver.submit(Frame(Origin("t", 0, i, 1), InspectionId("l", "s", "p"), "", "", "top", i, 1, None, reference))
    begun.acquire()
resolver.close()
"""


def test_a_process_ends_though_its_fetches_hang() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
