"""A client of the gateway, for programs that ask for verdicts."""

from inspector.client.client import Client as Client
from inspector.client.client import ClientError as ClientError
