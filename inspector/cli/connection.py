"""The options of every client command: the gateway's address and TLS, declared once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from inspector.cli.credentials import client_token, token_file_option
from inspector.cli.printable import printable
from inspector.client.client import Client, ClientError, ClientTls
from inspector.client.token import ClientToken, TokenError

PEM = click.Path(path_type=Path, exists=True, dir_okay=False)
_OPTIONS = (
    click.option("--address", default="127.0.0.1:50051", show_default=True, help="HOST:PORT of the gateway."),
    click.option("--tls-ca", type=PEM, help="Certificate of the authority that signed the gateway's; turns TLS on."),
    click.option("--tls-cert", type=PEM, help="This client's certificate, for mutual TLS."),
    click.option("--tls-key", type=PEM, help="This client's private key, for mutual TLS."),
    token_file_option,
    click.option("--insecure-token", is_flag=True, help="Show the token without TLS to another machine, too."),
)
Params = ParamSpec("Params")


@dataclass(frozen=True, slots=True)
class Connection:
    address: str
    tls: ClientTls | None = None
    token: ClientToken | None = None

    @contextmanager
    def open(self) -> Iterator[Client]:
        """Raises ClickException where a call fails."""
        try:
            with Client(self.address, self.tls, self.token) as client:
                yield client
        except (ClientError, TokenError) as error:
            raise click.ClickException(printable(f"{self.address}: {error}")) from error


def connection_options(command: Callable[Concatenate[Connection, Params], None]) -> Callable[..., None]:
    """Adds the options to a command, which gets a Connection in their place."""

    @wraps(command)
    def call(
        address: str,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        token_file: Path | None,
        insecure_token: bool,
        *args: Params.args,
        **options: Params.kwargs,
    ) -> None:
        token = client_token(token_file, allow_insecure=insecure_token)
        command(Connection(address, _tls(tls_ca, tls_cert, tls_key), token), *args, **options)

    wrapped: Callable[..., None] = call
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _tls(ca: Path | None, cert: Path | None, key: Path | None) -> ClientTls | None:
    if (cert is None) != (key is None) or (cert is not None and ca is None):
        raise click.UsageError("--tls-cert and --tls-key belong together, and need --tls-ca")
    return None if ca is None else ClientTls(ca, cert, key)
