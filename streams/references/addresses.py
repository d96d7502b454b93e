"""Says below which allowed prefix the address of an image lies, and which names a local address may mean.
Opens nothing."""

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
"""What reads the addresses of an object store."""
BUILT_IN = ("file", "http", "https")
_INSTALL = {"s3fs": "in the checkout, pip install '.[s3]'"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SEPARATORS = re.compile(r"[/\\?#;&=]")
_MAX_SHOWN = 200


class Address(NamedTuple):
    """An address that may be read, and the allowed prefix that it lies below."""

    uri: str
    prefix: str

    @property
    def scheme(self) -> str:
        return scheme_of(self.uri)

    @property
    def shown(self) -> str:
        return shown(self.uri)


def scheme_of(uri: str) -> str:
    """In lower case; a plain path is `file`."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


def shown(uri: str) -> str:
    """The address as logs and dead letters may show it: without a password, and without the query that signs it."""
    if scheme_of(uri) != "file":
        uri = re.sub(r"(//)[^/@]*@", r"\1...@", uri)
    if scheme_of(uri) in ("http", "https"):
        start, _, query = uri.partition("?")
        uri = start + ("?..." if query else "")
    return uri if len(uri) <= _MAX_SHOWN else uri[:_MAX_SHOWN] + "..."


def prefix_fault(prefix: str) -> str:
    """What is wrong with an allowed prefix, and what mends it; empty where references can lie below it."""
    scheme = scheme_of(prefix)
    known = sorted({*BUILT_IN, *PACKAGES})
    if scheme not in known:
        return f"{shown(prefix)!r} has the scheme {scheme!r}, expected one of {known}; correct it"
    if _climbs(prefix):
        return f"{shown(prefix)!r} holds '..' or '::', which no reference may; write the folder's full address"
    if scheme == "file":
        return "" if file_paths(prefix) else f"{prefix!r} is no local folder; write file:///folder/"
    host = urlsplit(prefix).netloc
    if not prefix[len(scheme) :].startswith("://") or not host or "@" in host:
        return f"{shown(prefix)!r} names no bucket or host, or a password; write {scheme}://name/folder/"
    return ""


def missing_package(prefix: str) -> str:
    """The package that reading below this prefix needs and that is not installed; empty where nothing is missing."""
    package = PACKAGES.get(scheme_of(prefix), "")
    return package if package and find_spec(package) is None else ""


def install_words(package: str) -> str:
    """How to install what `missing_package` names."""
    return _INSTALL.get(package, f"pip install {package}")


def allowed(uri: str, prefixes: Sequence[str]) -> Address | None:
    """The address with the longest prefix that it lies below; None where it lies below none of them."""
    if _climbs(uri):
        return None
    is_below = _is_local_below if scheme_of(uri) == "file" else _is_remote_below
    fitting = [prefix for prefix in prefixes if scheme_of(prefix) == scheme_of(uri) and is_below(uri, prefix)]
    return Address(uri, max(fitting, key=len)) if fitting else None


def _climbs(uri: str) -> bool:
    """Whether a part of the address is `..`, however often it is encoded, or another protocol is chained to it."""
    previous = ""
    while uri != previous:
        if "::" in uri or "\\" in uri or ".." in _SEPARATORS.split(uri):
            return True
        previous, uri = uri, unquote(uri)
    return False


def _is_local_below(uri: str, prefix: str) -> bool:
    return any(is_inside(path, folder) for path in file_paths(uri) for folder in file_paths(prefix))


def is_inside(path: str, folder: str) -> bool:
    """By the names alone."""
    return PurePosixPath(folder) in PurePosixPath(path).parents


def _is_remote_below(uri: str, prefix: str) -> bool:
    return uri.startswith(prefix.rstrip("/") + "/") and "@" not in urlsplit(uri).netloc


def file_paths(uri: str) -> tuple[str, ...]:
    """The names that a local address may mean: decoded as RFC 8089 says, then as written, for names that hold % # ?.
    Empty where it names another host or no absolute path."""
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
