"""Certificates and password with which a service signs in to Kafka."""

import os
from pathlib import Path
from typing import Literal

from inspector.config.tables import KafkaTable
from inspector.recipe.problems import ConfigError, Problem
from streams.kafka.settings import KafkaSecurity


def kafka_security(path: Path, table: KafkaTable) -> KafkaSecurity:
    """Raises ConfigError where the password cannot be read."""
    tls, sasl = table.tls, table.sasl
    files = (tls.ca_file, tls.cert_file, tls.key_file) if tls else (None, None, None)
    ca_file, cert_file, key_file = (None if file is None else str(file) for file in files)
    if sasl is None:
        return KafkaSecurity("ssl" if tls else "plaintext", ca_file, cert_file, key_file)
    password = _password(path, sasl.password_env, sasl.password_file)
    protocol: Literal["sasl_ssl", "sasl_plaintext"] = "sasl_ssl" if tls else "sasl_plaintext"
    return KafkaSecurity(protocol, ca_file, cert_file, key_file, sasl.mechanism, sasl.username, password)


def _password(path: Path, variable: str | None, file: Path | None) -> str:
    if file is not None:
        return _password_in(path, file)
    password = os.environ.get(variable or "")
    if password is None:
        remedy = "set it in the service's environment, or use password_file"
        raise ConfigError(
            [Problem(path, "log.sasl.password_env", repr(variable), "names a variable that is not set", remedy)]
        )
    return password


def _password_in(path: Path, file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        remedy = "let this user read it; it holds the password alone, on one line"
        raise ConfigError(
            [Problem(path, "log.sasl.password_file", str(file), f"cannot be read ({why})", remedy)]
        ) from exc
    if not password:
        raise ConfigError([Problem(path, "log.sasl.password_file", str(file), "is empty", "write the password there")])
    return password
