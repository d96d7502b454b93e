"""The table [web] of a service's configuration: where the live page is served."""

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from inspector.config.tables import Address, Bytes, Seconds, ServerTlsTable, Table, check_exposure
from inspector.config.urls import PageUrl
from inspector.web.proxies import network_problem
from inspector.web.settings import WebSettings

_WEB = WebSettings()


class WebTable(Table):
    """How the live page is served."""

    meanings_from: ClassVar[type] = WebSettings

    enabled: bool = _WEB.enabled
    listen: Address = _WEB.listen
    hosts: tuple[str, ...] = Field(default=_WEB.hosts, max_length=100)
    public_url: PageUrl = _WEB.public_url
    trusted_proxies: tuple[str, ...] = Field(default=_WEB.trusted_proxies, max_length=100)
    tls: ServerTlsTable | None = None
    """Encryption towards browsers; none without this table."""
    allow_insecure: bool = _WEB.allow_insecure
    max_connections: int = Field(default=_WEB.max_connections, ge=16, le=100_000)
    max_connections_per_host: int = Field(default=_WEB.max_connections_per_host, ge=1, le=100_000)
    request_timeout_s: Seconds = _WEB.request_timeout_s
    max_streams: int = Field(default=_WEB.max_streams, ge=1, le=10_000)
    max_streams_per_host: int = Field(default=_WEB.max_streams_per_host, ge=1, le=10_000)
    max_streams_per_person: int = Field(default=_WEB.max_streams_per_person, ge=1, le=10_000)
    heartbeat_s: Seconds = _WEB.heartbeat_s
    send_timeout_s: Seconds = _WEB.send_timeout_s
    ring_bytes: Bytes = _WEB.ring_bytes
    ring_age_s: Seconds = _WEB.ring_age_s
    media_bytes: Bytes = _WEB.media_bytes

    @model_validator(mode="after")
    def _protected(self) -> Self:
        check_exposure("web", self.listen, self.tls, allow_insecure=self.allow_insecure)
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            if problem := network_problem(network):
                raise ValueError(problem)
        return networks

    @property
    def settings(self) -> WebSettings:
        return WebSettings(**self.model_dump(exclude={"tls"}))
