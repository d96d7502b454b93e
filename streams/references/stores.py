"""Reads a file behind an allowed address, block by block, into a transfer: local, over HTTP, from an object store."""

import errno
import http.client
import logging
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from typing import Protocol
from urllib.parse import quote, urlsplit

import fsspec
import fsspec.asyn

from streams.references.addresses import PACKAGES, Address, file_paths, install_hint, is_inside, scheme_of
from streams.references.transfer import FetchError, Transfer

log = logging.getLogger("inspector.streams.stores")

_BLOCK_BYTES = 2**20
_MAX_ERROR_CHARS = 500
"""Of an error message, which may contain a server's first line of up to 64 KiB."""
_URL_SAFE = "/%:@!$&'()*+,;=~?-._"


def read(address: Address, transfer: Transfer) -> None:
    """Reads the whole file into the transfer. Raises FetchError."""
    reader = {"file": read_local, "http": read_http, "https": read_http}.get(address.scheme, read_object)
    try:
        reader(address, transfer)
    except TimeoutError as exc:  # before its base class OSError
        raise transfer.late() from exc
    except ImportError as exc:
        package = PACKAGES.get(address.scheme, "")
        raise FetchError(
            f"{address.shown} needs the package {package}, which cannot be imported ({exc}): {install_hint(package)}"
        ) from exc
    except (OSError, ValueError, http.client.HTTPException) as exc:
        text = str(exc).replace(address.uri, address.shown)[:_MAX_ERROR_CHARS]
        raise FetchError(
            f"{address.shown} cannot be read ({type(exc).__name__}: {text}): check the address and the access rights"
        ) from exc


def read_local(address: Address, transfer: Transfer) -> None:
    """Reads a file whose path, with all links resolved, lies below the prefix."""
    descriptor = _open_below(address)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        transfer.announce(os.fstat(descriptor).st_size)
        while block := file.read(_BLOCK_BYTES):
            transfer.add(block)


def _open_below(address: Address) -> int:
    folders = [os.path.realpath(folder) for folder in file_paths(address.prefix)]
    missing: FileNotFoundError | None = None
    for path in file_paths(address.uri):
        try:
            return _open_real(address, os.path.realpath(path, strict=True), folders)
        except FileNotFoundError as exc:
            missing = missing or exc
    raise missing or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), address.uri)


def _open_real(address: Address, real: str, folders: list[str]) -> int:
    """Opens the path without races: a link swapped meanwhile is detected, and a pipe does not block."""
    if not any(is_inside(real, folder) for folder in folders):
        raise _outside(address)
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    is_there = os.path.realpath(real) == real and os.path.samestat(status, os.lstat(real))
    if is_there and stat.S_ISREG(status.st_mode):
        return descriptor
    os.close(descriptor)
    raise (
        FetchError(f"{address.shown} is not a regular file: refer to an image file") if is_there else _outside(address)
    )


def _outside(address: Address) -> FetchError:
    return FetchError(
        f"{address.shown} is a link to a file outside of the allowed prefix {address.prefix}: "
        "put the file itself there, or allow the link's target under [references]"
    )


def read_http(address: Address, transfer: Transfer) -> None:
    """Reads a file over HTTP. Refuses redirections, since they may lead anywhere. No cookies, proxy or compression."""
    parts = urlsplit(address.uri.partition("#")[0])
    connect = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=transfer.remaining_s)
    try:
        connection.connect()
        wire: socket.socket = connection.sock
        transfer.connected(lambda: _disconnect(wire))
        target = quote(parts.path or "/", safe=_URL_SAFE) + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "inspector"})
        with closing(connection.getresponse()) as response:
            if response.status != http.HTTPStatus.OK:
                raise FetchError(f"{address.shown}: the server responds {_status(response)}")
            if response.length is not None:
                transfer.announce(response.length)
            while block := response.read1(_BLOCK_BYTES):
                transfer.add(block)
                wire.settimeout(transfer.remaining_s)
    finally:
        connection.close()


def _disconnect(wire: socket.socket) -> None:
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already


def _status(response: http.client.HTTPResponse) -> str:
    status = f"{response.status} {response.reason[:60]!r}"
    if 300 <= response.status < 400:
        return f"{status}: redirections are not followed, refer to the file itself"
    return f"{status}: check the address and the access rights"


class _Body(Protocol):
    def close(self) -> None: ...


class _Stream(Protocol):
    """A file opened by s3fs."""

    size: int
    r: _Body | None

    async def read(self, length: int) -> bytes: ...


class _ObjectStore(Protocol):
    async def open_async(self, path: str, mode: str) -> _Stream: ...


@cache
def _client(scheme: str) -> fsspec.AbstractFileSystem:
    """One client for all threads; fsspec would otherwise create connections and credentials for each thread."""
    return fsspec.filesystem(scheme)


def prepare(prefixes: Sequence[str]) -> None:
    """Loads the clients for these prefixes, so that the first piece does not wait 1 s for imports and sessions. Never
    raises: an error here occurs again at the first reference, which reports it."""
    for scheme in {scheme_of(prefix) for prefix in prefixes} & PACKAGES.keys():
        try:
            filesystem = _client(scheme)
            if PACKAGES[scheme] == "s3fs":
                filesystem.connect()
        except Exception as exc:  # noqa: BLE001 - store clients raise any exception
            log.warning(
                "References: cannot prepare the client for %s:// (%s: %s). "
                "Each fetch tries again; check the credentials.",
                scheme,
                type(exc).__name__,
                exc,
            )


def read_object(address: Address, transfer: Transfer) -> None:
    """Reads a file of an object store; cancels the store's client at the deadline, so that its thread ends."""
    filesystem = _client(address.scheme)
    path = filesystem._strip_protocol(address.uri)  # noqa: SLF001 - fsspec has no public name for it
    if PACKAGES.get(address.scheme) == "s3fs":
        try:
            fsspec.asyn.sync(filesystem.loop, _stream, filesystem, path, transfer, timeout=transfer.remaining_s)
        except fsspec.asyn.FSTimeoutError as exc:
            raise transfer.late() from exc
        return
    with filesystem.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="none") as file:
        transfer.announce(file.size)
        while block := file.read(min(_BLOCK_BYTES, transfer.size_bytes + 1)):
            transfer.add(block)


async def _stream(filesystem: _ObjectStore, path: str, transfer: Transfer) -> None:
    file = await filesystem.open_async(path, "rb")
    try:
        block = await file.read(_BLOCK_BYTES)
        transfer.announce(file.size)
        while block:
            transfer.add(block)
            block = await file.read(_BLOCK_BYTES)
    finally:
        if file.r is not None:
            file.r.close()
