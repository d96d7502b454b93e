"""The Ed25519 key that signs the audit log."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from inspector.access.audit.record import Head, head_bytes
from inspector.access.durable_files import replace_private

KEY_FILE, PUBLIC_FILE = "key.pem", "public.pem"
MAX_KEY_BYTES = 64 * 2**10


class AuditKeyError(Exception):
    """The key cannot be used; the message says why and what to do."""


class AuditKey:
    """Signs heads."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def at(cls, folder: Path) -> "AuditKey":
        """The folder's key; makes one where there is none and no log. Call under the log's lock. Raises AuditKeyError,
        OSError."""
        file = folder / KEY_FILE
        if not file.exists():
            _create(folder)
        return cls(_private(file))

    def head(self, number: int, digest: str) -> Head:
        return Head(number, digest, self._private.sign(head_bytes(number, digest)).hex())

    @property
    def public(self) -> "PublicKey":
        return PublicKey(self._private.public_key())


class PublicKey:
    """Checks heads."""

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public

    @classmethod
    def from_file(cls, file: Path) -> "PublicKey":
        """Raises AuditKeyError."""
        try:
            key = load_pem_public_key(_bytes(file))
        except (OSError, ValueError) as exc:
            raise AuditKeyError(f"{file} is no public key ({exc}): take public.pem of the audit folder") from exc
        if not isinstance(key, Ed25519PublicKey):
            raise AuditKeyError(f"{file} is no Ed25519 key: take public.pem of the audit folder")
        return cls(key)

    def has_signed(self, head: Head) -> bool:
        """Whether the signature is right, and written as `AuditKey` writes it."""
        try:
            signature = bytes.fromhex(head.signature)
            self._public.verify(signature, head.signed_bytes)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return signature.hex() == head.signature


def _create(folder: Path) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    replace_private(folder / PUBLIC_FILE, public, 0o644)
    replace_private(folder / KEY_FILE, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)


def _private(file: Path) -> Ed25519PrivateKey:
    if file.stat().st_mode & 0o077:
        raise AuditKeyError(f"{file} may be read by others, who could sign in its place: chmod 600 {file}")
    try:
        key = load_pem_private_key(_bytes(file), None)
    except (ValueError, TypeError) as exc:
        raise AuditKeyError(f"{file} is no private key ({exc}): restore it from a copy") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditKeyError(f"{file} is no Ed25519 key: restore it from a copy")
    return key


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_KEY_BYTES)
