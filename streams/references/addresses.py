"""Checks image addresses against the allowed prefixes, by name alone: opens no file."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
}
"""The package that reads the addresses of each object store."""
BUILT_IN = ("file", "http", "https")
_INSTALL = {"s3fs": "in the checkout, pip install '.[s3]'"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SEPARATORS = re.compile(r"[/\\?#;&=]")
_MAX_SHOWN = 200


class Address(NamedTuple):
    """An address that may be read, and the allowed prefix above it."""

    uri: str
    prefix: str

    @property
    def scheme(self) -> str:
        return scheme_of(self.uri)

    @property
    def shown(self) -> str:
        return shown(self.uri)


def scheme_of(uri: str) -> str:
    """The scheme in lower case; a plain path is `file`."""
    scheme = _SCHEME.match(uri)
    return scheme[1].lower() if scheme else "file"


def shown(uri: str) -> str:
    """The address for logs and dead letters: without password and without signing query."""
    if scheme_of(uri) != "file":
        uri = re.sub(r"(//)[^/@]*@", r"\1...@", uri)
    if scheme_of(uri) in ("http", "https"):
        start, _, query = uri.partition("?")
        uri = start + ("?..." if query else "")
    return uri if len(uri) <= _MAX_SHOWN else uri[:_MAX_SHOWN] + "..."


def prefix_problem(prefix: str) -> str:
    """The problem of an allowed prefix and its remedy; empty for a valid prefix."""
    scheme = scheme_of(prefix)
    known = sorted({*BUILT_IN, *PACKAGES})
    if scheme not in known:
        return f"{shown(prefix)!r} has the scheme {scheme!r}, expected one of {known}; correct it"
    if _has_parent_or_chain(prefix):
        return f"{shown(prefix)!r} contains '..' or '::', which is not allowed; write the folder's full address"
    if scheme == "file":
        return "" if file_paths(prefix) else f"{prefix!r} is not a local folder; write file:///folder/"
    host = urlsplit(prefix).netloc
    if not prefix[len(scheme) :].startswith("://") or not host or "@" in host:
        return f"{shown(prefix)!r} names no bucket or host, or contains a password; write {scheme}://name/folder/"
    return ""


def missing_package(prefix: str) -> str:
    """The package needed to read this prefix, if it is not installed; else empty."""
    package = PACKAGES.get(scheme_of(prefix), "")
    return package if package and find_spec(package) is None else ""


def install_hint(package: str) -> str:
    """How to install a package that `missing_package` returns."""
    return _INSTALL.get(package, f"pip install {package}")


def allowed(uri: str, prefixes: Sequence[str]) -> Address | None:
    """The address with the longest allowed prefix above it; None without one."""
    if _has_parent_or_chain(uri):
        return None
    is_below = _is_local_below if scheme_of(uri) == "file" else _is_remote_below
    matching = [prefix for prefix in prefixes if scheme_of(prefix) == scheme_of(uri) and is_below(uri, prefix)]
    return Address(uri, max(matching, key=len)) if matching else None


def _has_parent_or_chain(uri: str) -> bool:
    """Whether the address contains `..` (percent-encoded any number of times) or chains another protocol."""
    previous = ""
    while uri != previous:
        if "::" in uri or "\\" in uri or ".." in _SEPARATORS.split(uri):
            return True
        previous, uri = uri, unquote(uri)
    return False


def _is_local_below(uri: str, prefix: str) -> bool:
    return any(is_inside(path, folder) for path in file_paths(uri) for folder in file_paths(prefix))


def is_inside(path: str, folder: str) -> bool:
    """Compares names only; follows no links."""
    return PurePosixPath(folder) in PurePosixPath(path).parents


def _is_remote_below(uri: str, prefix: str) -> bool:
    return uri.startswith(prefix.rstrip("/") + "/") and "@" not in urlsplit(uri).netloc


def file_paths(uri: str) -> tuple[str, ...]:
    """The paths that a local address may mean: decoded by RFC 8089, then as written, for names that contain % # ?.
    Empty for another host or a relative path."""
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return (uri,) if uri.startswith("/") else ()
    rest = uri[scheme.end() :]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            return ()
        rest = slash + rest
    if not rest.startswith("/"):
        return ()
    return tuple(dict.fromkeys((unquote(rest), rest)))
