"""A client of the gateway."""

from inspector.client.client import Client as Client
from inspector.client.client import ClientError as ClientError
