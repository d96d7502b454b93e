"""The token that a client shows with every call."""

import codecs
from dataclasses import dataclass
from pathlib import Path

from inspector.access.exposure import is_loopback

MAX_BYTES = 64 * 2**10
Metadata = tuple[tuple[str, str], ...]


class TokenError(Exception):
    """The token cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ClientToken:
    """One of `value` and `file`."""

    value: str = ""
    file: Path | None = None
    """Read before every call, so that a renewed token is used."""
    allow_insecure: bool = False
    """Sends it without TLS to another machine: only inside a network that is protected otherwise."""

    def check(self, address: str, *, has_tls: bool) -> None:
        """Raises TokenError where the token would travel unencrypted."""
        if not (has_tls or self.allow_insecure or is_loopback(address)):
            raise TokenError(f"without TLS everybody on the way to {address} could read the token: turn TLS on")

    @property
    def metadata(self) -> Metadata:
        """Raises TokenError."""
        return (("authorization", f"Bearer {self.text}"),)

    @property
    def text(self) -> str:
        """Raises TokenError."""
        text = (self.value if self.file is None else self._of_file(self.file)).strip()
        if not text or not text.isascii() or not text.isprintable():
            raise TokenError(f"{self.file or 'the token'} holds no token: expected one line of ASCII")
        return text

    def _of_file(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                return opened.read(MAX_BYTES).removeprefix(codecs.BOM_UTF8).decode("ascii", "replace")
        except OSError as exc:
            raise TokenError(f"{file} cannot be read ({exc.strerror}): check path and rights") from exc
