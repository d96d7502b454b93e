"""A page with roles, answering on a port of this machine."""

import re
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import httpx

from inspector.access.audit.files import LOG_FILE, lines_of
from inspector.access.audit.log import AuditLog
from inspector.access.audit.record import Record, parsed
from inspector.access.roles import Role
from inspector.access.settings import AccessSettings
from inspector.gateway.certificates import TlsFiles, tls_context
from inspector.web.access import page_access
from inspector.web.app import create_app
from inspector.web.server import WebServer, listening_socket
from inspector.web.settings import WebSettings
from streams.embedded import EmbeddedLog, EmbeddedSettings
from tests.inspector.access.people import tokens_of_all_roles
from tests.inspector.web.parts import floor_with

ACCEPTS_PAGES = {"accept": "text/html"}
FORM_TOKEN = re.compile(r'name="form-token" content="([^"]*)"')


@cache
def certificates() -> ssl.SSLContext:
    """Of this machine, read once: a client that reads them anew takes longer than many a test."""
    return ssl.create_default_context()


@dataclass
class GuardedPage:
    """Where it answers, and what people show to it."""

    address: str
    tokens: dict[Role, str]
    file: Path
    audit: Path

    def client(self) -> httpx.Client:
        """A browser without any cookie; follows no redirection by itself."""
        return httpx.Client(base_url=self.address, timeout=30.0, verify=certificates())

    @property
    def records(self) -> list[Record]:
        return [parsed(line)[0] for line in lines_of(self.audit / LOG_FILE)]


@contextmanager
def guarded_page(
    folder: Path,
    access: AccessSettings | None = None,
    tls: TlsFiles | None = None,
    hosts: tuple[str, ...] = (),
    web: WebSettings | None = None,
) -> Iterator[GuardedPage]:
    """With a token of every role, unless `access` says otherwise."""
    file = folder / "tokens.json"
    tokens = tokens_of_all_roles(file)
    chosen = AccessSettings(token_file=file) if access is None else access
    settings = replace(web or WebSettings(hosts=hosts), heartbeat_s=0.1)
    with closing(EmbeddedLog(folder / "log.sqlite", EmbeddedSettings())) as log:
        listening = listening_socket("127.0.0.1:0")
        floor = replace(
            floor_with(settings, log),
            access=page_access(chosen, settings.listen, settings.names),
            audit=AuditLog(folder / "audit"),
        )
        context = None if tls is None else tls_context(tls)
        server = WebServer(create_app(floor, is_tls=tls is not None), listening, settings, context)
        with server.running(floor.hub, log):
            yield GuardedPage(server.address, tokens, file, folder / "audit")


def form_token(client: httpx.Client, path: str = "/sign-in") -> str:
    """The token in the page's head."""
    field = FORM_TOKEN.search(client.get(path, headers=ACCEPTS_PAGES).text)
    assert field
    return field[1]


def sign_in(client: httpx.Client, token: str, then: str = "/") -> httpx.Response:
    """As a person does with the form."""
    form = {"token": token, "form_token": form_token(client), "next": then}
    return client.post("/sign-in", data=form, headers=ACCEPTS_PAGES)
