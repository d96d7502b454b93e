"""Addresses in a configuration that people or programs reach by HTTP."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def http_url(value: str) -> str:
    """No password may stand in it: it would come into log lines. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or not value.isascii():
        raise ValueError("is no address; write http://host:port or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a name or a password; give it as token_env or token_file instead")
    return value


def _page_url(value: str) -> str:
    """Or empty."""
    if not value:
        return value
    parts = urlsplit(http_url(value))
    if parts.path.strip("/") or parts.query:
        raise ValueError("has a path, and the page stands at the root of its address; write https://host")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(http_url)]
PageUrl = Annotated[str, AfterValidator(_page_url)]
