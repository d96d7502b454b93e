"""Verifies an audit folder; shares no code with the product. python tests/audit_verifier.py FOLDER [HEADS [PUBLIC_KEY]]

`log.jsonl` has one JSON object a line (keys sorted, no spaces, ASCII). `hash` is the SHA-256 of the object without
`hash` and `signature`; `previous` is the hash of the line before, zeros for the first; `signature` is Ed25519 over
{"hash":…,"number":…}. A head is {"hash","number","signature"}: a line of `heads.jsonl`, or a file in HEADS.
"""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

WRONG = (ValueError, KeyError, TypeError, AttributeError, InvalidSignature)


def text(**values):
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def check(key, line, hashes, number, previous):
    record = json.loads(line)
    digest, signature = record.pop("hash"), record.pop("signature")
    key.verify(bytes.fromhex(signature), text(hash=digest, number=record["number"]))
    if text(**record, hash=digest, signature=bytes.fromhex(signature).hex()) + b"\n" != line:
        raise ValueError
    if previous is None and hashes.get(record["number"]) != digest:
        raise ValueError
    if previous and (record["number"], record["previous"]) != (number, previous):
        raise ValueError
    if previous and hashlib.sha256(text(**record)).hexdigest() != digest:
        raise ValueError
    return digest


def problems(folder, heads=None, key_file=None):
    key = load_pem_public_key((key_file or folder / "public.pem").read_bytes())
    previous = "0" * 64
    hashes: dict[int, str] = {}
    for number, line in enumerate((folder / "log.jsonl").read_bytes().splitlines(keepends=True), 1):
        try:
            hashes[number] = previous = check(key, line, hashes, number, previous)
        except WRONG:
            yield f"line {number} is not as it was written, or does not follow from the line before"
    kept = (folder / "heads.jsonl").read_bytes().splitlines(keepends=True)
    for line in kept + [file.read_bytes() for file in (heads.glob("*.json") if heads else ())]:
        try:
            check(key, line, hashes, None, None)
        except WRONG:
            yield f"there was another record, or it is gone: {line[:200]!r}"
    if not hashes:
        yield "the log is empty"


if __name__ == "__main__":
    sys.exit("\n".join(problems(*map(Path, sys.argv[1:]))) or 0)
