"""`inspector access`: who may do what, and tokens for people, programs and machines."""

import getpass
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from inspector.access.audit.protocol import AuditError
from inspector.access.audit.record import Detail
from inspector.access.os_user import os_user_name
from inspector.access.principal import Principal
from inspector.access.roles import ROLE_WORDS, RULES, Role, role_of
from inspector.access.tokens import Token, TokenFile, TokenFileError
from inspector.cli.config_option import config_option
from inspector.cli.credentials import audited, client_token, principal_for, token_file_option
from inspector.cli.errors import report_user_errors
from inspector.cli.printable import print_line
from inspector.config.service import Service, load_service

DAY_NS = 86_400 * 10**9


@click.group()
def access() -> None:
    """Who may do what: roles, and tokens for people, programs and machines."""


@access.command()
def roles() -> None:
    """Lists every action with the least role for it.

    Example: inspector access roles
    """
    for name, rule in RULES.items():
        print_line(f"{rule.role.word:9} {name:26} {rule.meaning}")


@access.group()
def token() -> None:
    """Tokens for programs and for people without a provider. The file named by `[access] token_file` holds hashes."""


@token.command()
@click.argument("name")
@click.argument("role", type=click.Choice(ROLE_WORDS))
@config_option
@click.option("--days", type=click.IntRange(1, 3650), help="The token ends after so many days. Default: never.")
@token_file_option
@report_user_errors(TokenFileError, AuditError)
def add(name: str, role: str, config: Path, days: int | None, token_file: Path | None) -> None:
    """Makes a token for NAME with ROLE and prints it. It is shown this once and stored nowhere: hand it over, or write
    it to a file that only its user can read.

    Example: inspector access token add plc-line-1 operator --days 365 --config service.toml
    """
    service = load_service(config)
    tokens = _tokens(service)
    principal = _manager(service, "users.change", token_file)
    expires_ns = None if days is None else time.time_ns() + days * DAY_NS
    detail: Detail = {"change": "add token", "role": role, "days": days or 0}
    with audited(service) as audit, audit.act(principal, "users.change", name, detail):
        _, shown = tokens.add(name, role_of(role), principal.name, expires_ns)
    click.echo(shown)


@token.command("list")
@config_option
@token_file_option
@report_user_errors(TokenFileError)
def list_tokens(config: Path, token_file: Path | None) -> None:
    """Lists the tokens: id, name, role, state, when each was made and by whom.

    Example: inspector access token list --config service.toml
    """
    service = load_service(config)
    _manager(service, "users.see", token_file)
    for each in _tokens(service).tokens():
        print_line(_line(each, time.time_ns()))


@token.command()
@click.argument("id")
@config_option
@token_file_option
@report_user_errors(TokenFileError, AuditError)
def revoke(id: str, config: Path, token_file: Path | None) -> None:
    """Ends the token ID at once, with the sessions that were opened with it. `list` shows the ids.

    Example: inspector access token revoke 5f1c09ab --config service.toml
    """
    service = load_service(config)
    principal = _manager(service, "users.change", token_file)
    with audited(service) as audit, audit.act(principal, "users.change", id, {"change": "revoke token"}):
        revoked = _tokens(service).revoke(id)
    print_line(f"the token {revoked.id} of {revoked.name} is revoked")


def _manager(service: Service, action: str, token_file: Path | None) -> Principal:
    """Who manages tokens. The owner of the file could write it anyway, and somebody must make the first token."""
    file = service.access.token_file
    is_owner = file is not None and (not file.exists() or file.stat().st_uid == os.geteuid())
    if is_owner and client_token(token_file) is None and getpass.getuser() not in service.access.os_users:
        return Principal(os_user_name(), Role.ENGINEER, "os-user")
    return principal_for(service, action, token_file)


def _tokens(service: Service) -> TokenFile:
    file = service.access.token_file
    if file is None:
        raise TokenFileError(f'{service.path} names no file of tokens: add [access] token_file = "tokens.json"')
    return TokenFile(file)


def _line(each: Token, now_ns: int) -> str:
    created = datetime.fromtimestamp(each.created_ns / 1e9, UTC)
    until = "" if each.expires_ns is None else f", until {datetime.fromtimestamp(each.expires_ns / 1e9, UTC):%Y-%m-%d}"
    return (
        f"{each.id}  {each.state(now_ns):8} {each.role.word:9} {each.name}  made {created:%Y-%m-%d} by {each.by}{until}"
    )
