"""Clients of the gateway, for programs that ask for verdicts."""

from inspector.client.aio import AsyncClient as AsyncClient
from inspector.client.client import Client as Client
from inspector.client.client import ClientError as ClientError
from inspector.client.client import ClientTls as ClientTls
from inspector.client.client import WatchOptions as WatchOptions
from inspector.client.token import ClientToken as ClientToken
from inspector.client.token import TokenError as TokenError
