"""A file of tokens for programs and people: names, roles and hashes, never the tokens themselves.

A token is `inspector_ID_SECRET`. SECRET has 256 random bits, so one SHA-256 is enough: nothing shorter than the whole
space of secrets can be tried.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import cast

from inspector.access.durable_files import replace_private
from inspector.access.file_lock import locked
from inspector.access.principal import Principal
from inspector.access.roles import Role, role_of
from inspector.access.sign_in import SignInError, SignInUnavailableError

log = logging.getLogger("inspector.access")

PREFIX = "inspector_"
SECRET_BYTES = 32
MAX_FILE_BYTES = 2**20
MAX_NAME = 128
_NOBODY = hashlib.sha256(b"").hexdigest()


class TokenFileError(Exception):
    """The file cannot be used or changed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the file."""

    id: str
    name: str
    """Who acts with it: a person, a program or a machine."""
    role: Role
    sha256: str
    """Of the secret, in hex digits."""
    created_ns: int
    by: str
    """Who added it."""
    expires_ns: int | None = None
    revoked_ns: int | None = None

    @property
    def principal(self) -> Principal:
        return Principal(self.name, self.role, "token")

    def state(self, now_ns: int) -> str:
        """`valid`, `revoked` or `expired`."""
        if self.revoked_ns is not None:
            return "revoked"
        return "expired" if self.expires_ns is not None and now_ns >= self.expires_ns else "valid"


class TokenFile:
    """Reads the file again after each change. Thread-safe: a reader sees one whole version."""

    def __init__(self, path: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._path, self._clock_ns = path, clock_ns
        self._lock = Lock()
        self._seen: tuple[tuple[int, int, int], Mapping[str, Token]] | None = None
        """A version of the file, with its content."""

    def principal(self, shown: str) -> Principal:
        """Who shows this token. Raises SignInError, SignInUnavailableError if the file cannot be read."""
        secret = shown.removeprefix(PREFIX).partition("_")[2]
        token = self._known().get(id_of(shown))
        digest = hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
        is_right = hmac.compare_digest(digest, _NOBODY if token is None else token.sha256)
        if token is None or not is_right:
            raise SignInError("the token is not known here: ask an engineer for one (inspector access token add)")
        if (state := token.state(self._clock_ns())) != "valid":
            raise SignInError(f"the token {token.id} of {token.name} is {state}: ask an engineer for another one")
        return token.principal

    def holds(self, token_id: str, principal: Principal) -> bool:
        """Whether the token is valid now and still makes this principal; False if the file cannot be read."""
        try:
            token = self._known().get(token_id)
        except SignInUnavailableError:
            return False
        return token is not None and token.state(self._clock_ns()) == "valid" and token.principal == principal

    def tokens(self) -> list[Token]:
        """All, oldest first. Raises TokenFileError."""
        return list(_read(self._path).values())

    def add(self, name: str, role: Role, by: str, expires_ns: int | None = None) -> tuple[Token, str]:
        """The new token's line, and the token itself, which is stored nowhere. Raises TokenFileError."""
        _check_name(name)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        with self._changing() as tokens:
            token_id = _free_id(tokens)
            token = tokens[token_id] = Token(token_id, name, role, digest, self._clock_ns(), by, expires_ns)
        return token, f"{PREFIX}{token_id}_{secret}"

    def revoke(self, token_id: str) -> Token:
        """Raises TokenFileError for an unknown id."""
        with self._changing() as tokens:
            if token_id not in tokens:
                raise TokenFileError(f"{self._path} has no token {token_id[:60]!r}: see `inspector access token list`")
            token = tokens[token_id] = replace(tokens[token_id], revoked_ns=self._clock_ns())
        return token

    def _known(self) -> Mapping[str, Token]:
        try:
            with self._lock:
                return self._newest()
        except (OSError, TokenFileError) as exc:
            log.error("Nobody can sign in with a token: %s.", exc)  # noqa: TRY400
            raise SignInUnavailableError("the tokens cannot be read at the moment: tell an engineer") from exc

    def _newest(self) -> Mapping[str, Token]:
        seen, self._seen = self._seen, None
        stat = self._path.stat()
        stamp = stat.st_mtime_ns, stat.st_ino, stat.st_size
        tokens = seen[1] if seen is not None and seen[0] == stamp else _read(self._path)
        self._seen = stamp, tokens
        return tokens

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        try:
            with locked(self._path.with_name(self._path.name + ".lock")):
                tokens = dict(_read(self._path)) if self._path.exists() else {}
                yield tokens
                _write(self._path, tokens)
        except OSError as exc:
            raise TokenFileError(f"{self._path} cannot be written ({exc.strerror}): check path and rights") from exc


def id_of(token: str) -> str:
    """The part of a token that is no secret."""
    return token.removeprefix(PREFIX).partition("_")[0]


def check_token_file(path: Path) -> None:
    """Raises TokenFileError for a file that is missing, open to others or damaged."""
    _read(path)


def _read(path: Path) -> dict[str, Token]:
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_mode & 0o077:
                raise TokenFileError(f"{path} may be read or written by others: chmod 600 {path}")
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise TokenFileError(
            f"{path} cannot be read ({exc.strerror}): add a token (inspector access token add) or check its rights"
        ) from exc
    if len(data) > MAX_FILE_BYTES:
        raise TokenFileError(f"{path} has more than {MAX_FILE_BYTES} bytes: remove tokens that were revoked long ago")
    try:
        rows = cast("list[dict[str, object]]", json.loads(data)["tokens"])
        return {str(row["id"]): _token(row) for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise TokenFileError(f"{path} is no token file ({exc}): restore it, or remove it and add new tokens") from exc


def _token(row: Mapping[str, object]) -> Token:
    values = dict(row)
    values["role"] = role_of(str(values["role"]))
    token = Token(**values)  # type: ignore[arg-type]  # checked below
    if not (isinstance(token.name, str) and isinstance(token.sha256, str) and len(token.sha256) == len(_NOBODY)):
        raise ValueError(f"token {token.id!r} has no name or no SHA-256")
    for moment in (token.created_ns, token.expires_ns, token.revoked_ns):
        if moment is not None and not isinstance(moment, int):
            raise ValueError(f"token {token.id!r} has a time that is no number")
    return token


def _write(path: Path, tokens: Mapping[str, Token]) -> None:
    rows = [{**asdict(token), "role": token.role.word} for token in tokens.values()]
    data = json.dumps({"tokens": rows}, indent=1).encode()
    if len(data) > MAX_FILE_BYTES:
        raise TokenFileError(f"{path} would have more than {MAX_FILE_BYTES} bytes: remove revoked tokens from it")
    replace_private(path, data, 0o600)


def _free_id(tokens: Mapping[str, Token]) -> str:
    while (token_id := secrets.token_hex(4)) in tokens:
        pass
    return token_id


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        raise TokenFileError(f"{name[:60]!r} is no name: use 1 to {MAX_NAME} printable characters")
