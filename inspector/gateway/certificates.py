"""Reads the PEM files of a server and rereads them when they are renewed."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

log = logging.getLogger("inspector.gateway.certificates")


class CertificateError(Exception):
    """The files cannot be read or do not match; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the server. With `client_ca` clients need a certificate of that authority."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.cert, self.key) if self.client_ca is None else (self.cert, self.key, self.client_ca)


@dataclass(frozen=True, slots=True)
class Pem:
    cert: bytes
    key: bytes
    client_ca: bytes | None


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """A server context of these files. Raises CertificateError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(files.cert, files.key)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as exc:  # ssl.SSLError is one
        names = ", ".join(map(str, files.paths))
        raise CertificateError(
            f"the TLS files {names} cannot be used ({exc}): check paths, permissions, and that the key belongs to the "
            "certificate"
        ) from exc
    return context


class Certificates:
    """The last valid contents of the files. Thread-safe."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises CertificateError."""
        self._files = files
        self._lock = Lock()
        self._seen = _stamps(files)
        self._pem = _read(files)

    @property
    def pem(self) -> Pem:
        return self._pem

    def renewed(self) -> bool:
        """Whether `pem` has changed since the last call. Logs a renewal, and new files that are invalid."""
        with self._lock:
            stamps = _stamps(self._files)
            if stamps == self._seen:
                return False
            self._seen = stamps
            try:
                self._pem = _read(self._files)
            except CertificateError as error:
                log.error("The renewed certificate is invalid, the previous one stays in use: %s.", error)  # noqa: TRY400
                return False
            log.info("The certificate %s was renewed; new connections use it.", self._files.cert)
            return True


def _read(files: TlsFiles) -> Pem:
    tls_context(files)
    try:
        client_ca = None if files.client_ca is None else files.client_ca.read_bytes()
        return Pem(files.cert.read_bytes(), files.key.read_bytes(), client_ca)
    except OSError as exc:
        raise CertificateError(f"a TLS file cannot be read ({exc}): check its path and permissions") from exc


def _stamps(files: TlsFiles) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(map(_stamp, files.paths))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
