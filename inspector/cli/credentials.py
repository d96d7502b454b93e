"""Who runs a command: the token that commands show, and the principal of commands that work on the log directly."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from inspector.access.audit.log import AuditLog
from inspector.access.audit.protocol import AuditError
from inspector.access.audit.record import Detail
from inspector.access.identities import Identities, provider_of
from inspector.access.os_user import command_principal
from inspector.access.principal import AccessDeniedError, Principal, require
from inspector.access.settings import AccessSettings
from inspector.access.sign_in import AccessSetupError, SignInError, SignInUnavailableError
from inspector.cli.printable import printable
from inspector.client.token import ClientToken, TokenError
from inspector.config.service import load_service_config

VARIABLE = "INSPECTOR_TOKEN"
TOKEN_PATH = click.Path(path_type=Path, exists=True, dir_okay=False)
TOKEN_HELP = f"File that holds your token. Default: the token in the variable {VARIABLE}, if it is set."
token_file_option = click.option("--token-file", type=TOKEN_PATH, help=TOKEN_HELP)


class HasAccess(Protocol):
    """A service, or a part of its configuration."""

    @property
    def access(self) -> AccessSettings: ...


@dataclass(frozen=True, slots=True)
class AccessOf:
    """Implements `HasAccess` for commands that need no recipes."""

    access: AccessSettings


def access_of(config: Path) -> AccessOf:
    """Raises ConfigError."""
    return AccessOf(load_service_config(config).access.settings(config.parent))


@dataclass(frozen=True, slots=True)
class Act:
    """Records the act of a command; see `AuditLog.act`."""

    audit: AuditLog
    principal: Principal
    action: str
    target: str

    def __call__(self, detail: Detail) -> AbstractContextManager[None]:
        return self.audit.act(self.principal, self.action, self.target, detail)


def client_token(file: Path | None, *, allow_insecure: bool = False) -> ClientToken | None:
    """The token of the file, else of the environment; None without both."""
    if file is not None:
        return ClientToken(file=file, allow_insecure=allow_insecure)
    value = os.environ.get(VARIABLE, "")
    return ClientToken(value, allow_insecure=allow_insecure) if value else None


def principal_for(service: HasAccess, action: str, token_file: Path | None) -> Principal:
    """Who runs this command, if they may. Raises ClickException."""
    settings = service.access
    try:
        bearer, _ = provider_of(settings.oidc)
        identities = Identities(settings, only_this_machine=True, bearer=bearer)
        principal = command_principal(settings, identities, _credential(token_file))
        require(principal, action)
    except (AccessDeniedError, AccessSetupError, SignInError, SignInUnavailableError, TokenError) as exc:
        raise click.ClickException(printable(str(exc))) from exc
    return principal


def check_may(config: Path, action: str, token_file: Path | None) -> None:
    """Before a command that only reads: checks who runs it. Raises ClickException, ConfigError."""
    principal_for(access_of(config), action, token_file)


@contextmanager
def recorded(config: Path, action: str, target: str, token_file: Path | None) -> Iterator[None]:
    """Around the act of a command: checks who runs it, and records it. Raises ClickException, ConfigError."""
    service = access_of(config)
    principal = principal_for(service, action, token_file)
    with audited(service) as audit, audit.act(principal, action, target):
        yield


@contextmanager
def audited(service: HasAccess) -> Iterator[AuditLog]:
    """The service's audit log. Raises ClickException."""
    try:
        yield AuditLog.of(service.access.audit)
    except AuditError as exc:
        raise click.ClickException(printable(str(exc))) from exc


def _credential(token_file: Path | None) -> str | None:
    token = client_token(token_file)
    return None if token is None else token.text
