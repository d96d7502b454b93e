"""Tells the pages the names in a client's certificate."""

import asyncio
from collections.abc import Mapping

from uvicorn.protocols.http.h11_impl import H11Protocol


class NamingProtocol(H11Protocol):
    """HTTP connections whose requests know the certificate's common names, which TLS has verified: they stand in
    `request.state.certificate_names`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        opened = transport.get_extra_info("ssl_object")
        certificate = None if opened is None else opened.getpeercert()
        self.app_state = {**self.app_state, "certificate_names": common_names(certificate or {})}


def common_names(certificate: Mapping[str, object]) -> tuple[str, ...]:
    """Of a certificate as `ssl` gives it."""
    subject = certificate.get("subject", ())
    assert isinstance(subject, tuple)  # noqa: S101
    return tuple(value for part in subject for name, value in part if name == "commonName")
