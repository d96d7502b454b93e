"""Verifies an audit folder; shares no code with the product. python tests/audit_verifier.py FOLDER [HEADS [PUBLIC_KEY]]

The log is `log-NUMBER.jsonl`, in order, then `log.jsonl`; heads are in `heads*.jsonl`. One JSON object a line (keys
sorted, no spaces, ASCII): `hash` is the SHA-256 of the object without `hash` and `signature`; `previous` is the hash of
the line before, zeros for the first; `signature` is Ed25519 over {"hash":…,"number":…}. A head is
{"hash","number","signature"}: a line, or a file in HEADS. The first record is number 1, or an `audit.segment` where
older files were moved away.
"""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

WRONG = (ValueError, LookupError, TypeError, AttributeError, InvalidSignature)


def text(**values):
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def signed(key, line):
    record = json.loads(line)
    digest, signature = record.pop("hash"), record.pop("signature")
    key.verify(bytes.fromhex(signature), text(hash=digest, number=record["number"]))
    if text(**record, hash=digest, signature=bytes.fromhex(signature).hex()) + b"\n" != line:
        raise ValueError
    return record, digest


def problems(folder, heads=None, key_file=None):
    key = load_pem_public_key((key_file or folder / "public.pem").read_bytes())
    hashes, first, covered = ["0" * 64], 0, False
    files = [*sorted(folder.glob("log*.jsonl")), *folder.glob("heads*.jsonl"), *(heads.glob("*.json") if heads else ())]
    for file, line in ((each, line) for each in files for line in each.read_bytes().splitlines(True)):
        try:
            record, digest = signed(key, line)
            number, whole = record["number"], hashlib.sha256(text(**record)).hexdigest()
            covered |= number >= first and not file.name.startswith("log")
            if file.name.startswith("log"):
                if len(hashes) == 1 and record["action"] == "audit.segment":
                    hashes, first = [record["previous"]], number - 1
                if (number, record["previous"], whole) != (first + len(hashes), hashes[-1], digest):
                    raise ValueError
                hashes.append(digest)
            elif number >= first and hashes[number - first] != digest:
                raise ValueError
        except WRONG:
            yield f"{file.name}: not as it was written, or does not follow, or its record is gone: {line[:200]!r}"
    if len(hashes) == 1 or (first and not covered):
        yield "the log is empty, or no head covers what was moved away"


if __name__ == "__main__":
    sys.exit("\n".join(problems(*map(Path, sys.argv[1:]))) or 0)
