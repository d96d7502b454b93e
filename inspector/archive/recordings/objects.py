"""Keeps files by the SHA-256 of their content: each content once, under a name that proves it."""

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

DIGEST = re.compile(r"[0-9a-f]{64}")
PREFIXES = tuple(f"{number:02x}" for number in range(256))
"""First two digits of the digests: each is a folder."""


class ObjectStoreError(Exception):
    """The store cannot be read or written now; a later attempt may succeed."""


class ObjectStoreFullError(ObjectStoreError):
    """There is no room for another file."""


class ObjectMissingError(Exception):
    """The store has no file with this digest."""


class ObjectDamagedError(Exception):
    """The content of a file is not the one that its name says."""


class StoredObject(NamedTuple):
    digest: str
    age_s: float
    """Since it was written or last asked for by `put`."""


class ObjectStore(Protocol):
    """Any number of processes may use one store. All calls may raise ObjectStoreError."""

    @property
    def name(self) -> str:
        """Where it is, for messages; without credentials."""

    def put(self, content: bytes) -> str:
        """Stores a content durably, unless it is there; returns its digest. Renews the age of one that is there.

        Raises ObjectStoreFullError.
        """

    def get(self, digest: str, max_bytes: int) -> bytes:
        """The content, checked against its digest. Raises ObjectMissingError, ObjectDamagedError (a larger one too)."""

    def remove(self, digest: str, min_age_s: float) -> bool:
        """Removes a file of at least this age; False for a younger one, which may be needed by now."""

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """The files whose digests begin with two digits."""

    def tidy(self, min_age_s: float) -> None:
        """Removes what interrupted writes of at least this age have left behind."""


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def name_of(digest: str) -> str:
    """The file's place below the store: `ab/cdef...`."""
    if DIGEST.fullmatch(digest) is None:
        raise ValueError(f"{digest[:80]!r} is no SHA-256 in hex")
    return f"{digest[:2]}/{digest[2:]}"


def checked(digest: str, content: bytes, max_bytes: int, where: str) -> bytes:
    """Raises ObjectDamagedError."""
    if len(content) > max_bytes:
        raise ObjectDamagedError(f"{where}/{name_of(digest)} has more than {max_bytes} bytes")
    if digest_of(content) != digest:
        raise ObjectDamagedError(f"{where}/{name_of(digest)} is damaged: its digest is {digest_of(content)}")
    return content
