"""One act as one line of canonical JSON, bound to the line before it by SHA-256 and signed.

The hash is that of the record's JSON without `hash` and `signature`, which holds the hash of the record before it. The
signature is that of the record's head, `{"hash":…,"number":…}`. JSON here means: keys sorted, no spaces, ASCII.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from inspector.access.principal import Principal

Detail: TypeAlias = Mapping[str, str | int | bool]
FIRST_PREVIOUS = "0" * 64
MAX_TEXT = 1000
"""Characters of a text; the rest is cut off and its length said."""
MAX_DETAILS = 32
MAX_LINE_BYTES = 512 * 2**10
"""More than the largest record can have."""


@dataclass(frozen=True, slots=True)
class Record:
    """One act, or one attempt."""

    number: int
    """Counts from 1 without gaps."""
    at_ns: int
    """Nanoseconds since the Unix epoch."""
    name: str
    """Who acted."""
    role: str
    origin: str
    """How the name was proven; see `Principal.origin`."""
    action: str
    target: str
    """The target of the act: an inspection, an alert, a line and recipe, a token."""
    detail: Detail
    previous: str
    """Hash of the record before; zeros for the first."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log reaches, signed: all records up to `number` follow from `hash`."""

    number: int
    hash: str
    signature: str
    """Ed25519, hex digits."""

    @property
    def signed_bytes(self) -> bytes:
        return head_bytes(self.number, self.hash)

    @property
    def line(self) -> bytes:
        return canonical({"hash": self.hash, "number": self.number, "signature": self.signature}) + b"\n"


NO_HEAD = Head(0, FIRST_PREVIOUS, "")
"""Of an empty log."""


class RecordError(Exception):
    """The line is no record as this module writes it; the message names the fault."""


def canonical(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def head_bytes(number: int, digest: str) -> bytes:
    """The bytes that are signed."""
    return canonical({"hash": digest, "number": number})


def record_of(head: Head, at_ns: int, principal: Principal, action: str, target: str, detail: Detail) -> Record:
    """The record after `head`."""
    return Record(
        head.number + 1,
        at_ns,
        shortened(principal.name),
        principal.role.word,
        principal.origin,
        action,
        shortened(target),
        {shortened(key): _value(value) for key, value in list(detail.items())[:MAX_DETAILS]},
        head.hash,
    )


def shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"


def digest_of(record: Record) -> str:
    return hashlib.sha256(canonical(_values(record))).hexdigest()


def line_of(record: Record, head: Head) -> bytes:
    return canonical({**_values(record), "hash": head.hash, "signature": head.signature}) + b"\n"


def parsed(line: bytes) -> tuple[Record, Head]:
    """The record and its head, unverified but for the form. Raises RecordError."""
    try:
        values = cast("dict[str, object]", json.loads(line))
        head = Head(cast(int, values["number"]), str(values.pop("hash")), str(values.pop("signature")))
        record = Record(**values)  # type: ignore[arg-type]  # compared with the line below
        if line_of(record, head) != line:
            raise RecordError("is written in another form")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise RecordError(f"is no record ({type(exc).__name__})") from exc
    return record, head


def parsed_head(line: bytes) -> Head:
    """Raises RecordError."""
    try:
        values = json.loads(line)
        head = Head(values["number"], values["hash"], values["signature"])
        if head.line.strip() != line.strip():
            raise RecordError("is written in another form")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise RecordError(f"is no head ({type(exc).__name__})") from exc
    return head


def _value(value: str | int | bool) -> str | int | bool:
    return shortened(value) if isinstance(value, str) else value


def _values(record: Record) -> dict[str, object]:
    return {
        "action": record.action,
        "at_ns": record.at_ns,
        "detail": dict(record.detail),
        "name": record.name,
        "number": record.number,
        "origin": record.origin,
        "previous": record.previous,
        "role": record.role,
        "target": record.target,
    }
