"""The table [access] of a service's configuration: who may do what."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from inspector.access.roles import Role, role_of
from inspector.access.settings import (
    AccessSettings,
    AuditSettings,
    OidcSettings,
    RateSettings,
    SessionSettings,
)
from inspector.config.tables import AnyPath, ExistingFile, Seconds, Table

_ACCESS = AccessSettings()
_AUDIT = AuditSettings()
_OIDC = OidcSettings(issuer="", client_id="")
_RATES = RateSettings()
_SESSIONS = SessionSettings()

RoleWord = Literal["viewer", "operator", "quality", "engineer"]
Roles = Mapping[Annotated[str, Field(min_length=1, max_length=256)], RoleWord]
Text = Annotated[str, Field(max_length=2000)]


class OidcTable(Table):
    """Sign-in through a provider of OpenID Connect. Needs the extra `oidc`: pip install '.[oidc]'."""

    meanings_from: ClassVar[type] = OidcSettings

    issuer: Text = Field(min_length=8)
    client_id: Text = Field(min_length=1)
    client_secret_env: str | None = None
    """Name of the environment variable that holds the password of this service at the provider; PKCE protects a public
    client, which has none."""
    client_secret_file: ExistingFile | None = None
    """File that holds the password, in place of the variable."""
    audience: Text = _OIDC.audience
    name_claim: Text = _OIDC.name_claim
    groups_claim: Text = _OIDC.groups_claim
    groups: Roles = Field(min_length=1)
    scopes: Text = _OIDC.scopes
    timeout_s: Seconds = _OIDC.timeout_s
    keys_age_s: Seconds = _OIDC.keys_age_s
    leeway_s: float = Field(default=_OIDC.leeway_s, ge=0, le=300)

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.client_secret_env is not None and self.client_secret_file is not None:
            raise ValueError("has client_secret_env and client_secret_file; give at most one")
        if self.client_secret_env is not None and self.client_secret_env not in os.environ:
            raise ValueError(
                f"client_secret_env = {self.client_secret_env!r} names a variable that is not set; set it in the "
                "service's environment, or use client_secret_file"
            )
        return self

    @property
    def settings(self) -> OidcSettings:
        values = self.model_dump(exclude={"client_secret_env", "client_secret_file", "groups"})
        return OidcSettings(**values, client_secret=self._secret(), groups=_roles(self.groups))

    def _secret(self) -> str:
        if self.client_secret_file is not None:
            return self.client_secret_file.read_text(encoding="utf-8-sig").strip()
        return "" if self.client_secret_env is None else os.environ[self.client_secret_env]


class SessionsTable(Table):
    """Sessions of people who are signed in on the page. A restart of the service ends them."""

    meanings_from: ClassVar[type] = SessionSettings

    age_s: Seconds = _SESSIONS.age_s
    idle_s: Seconds = _SESSIONS.idle_s
    recheck_s: Seconds = _SESSIONS.recheck_s
    max_sessions: int = Field(default=_SESSIONS.max_sessions, ge=1, le=100_000)
    max_per_principal: int = Field(default=_SESSIONS.max_per_principal, ge=1, le=1000)


class RatesTable(Table):
    """How much one client of the page may ask."""

    meanings_from: ClassVar[type] = RateSettings

    requests_per_s: float = Field(default=_RATES.requests_per_s, gt=0, le=100_000)
    burst_s: Seconds = _RATES.burst_s
    acts_per_minute: float = Field(default=_RATES.acts_per_minute, gt=0, le=1_000_000)
    sign_ins_per_minute: float = Field(default=_RATES.sign_ins_per_minute, gt=0, le=10_000)


class AuditTable(Table):
    """The record of every act that changes something."""

    meanings_from: ClassVar[type] = AuditSettings

    folder: AnyPath | None = None
    """Folder of the audit log and its key, for one machine; without it, `audit` next to this file."""
    heads_to: Text = _AUDIT.heads_to
    heads_every_s: Seconds = _AUDIT.heads_every_s
    segment_bytes: int = Field(default=_AUDIT.segment_bytes, ge=2**20, le=2**40)
    keep_days: float | None = Field(default=_AUDIT.keep_days, ge=1, le=36_500)
    max_bytes: int | None = Field(default=_AUDIT.max_bytes, le=2**50)

    @model_validator(mode="after")
    def _room_for_a_closed_file(self) -> Self:
        least = 4 * self.segment_bytes
        if self.max_bytes is not None and self.max_bytes < least:
            raise ValueError(
                f"max_bytes is {self.max_bytes}, too little for a closed file, one that grows and their heads; set at "
                f"least {least} (four times segment_bytes), or lower segment_bytes"
            )
        return self


class AccessTable(Table):
    """Who may do what. Without this table a service that only this machine reaches is open to everybody on it, and one
    that others reach does not start."""

    meanings_from: ClassVar[type] = AccessSettings

    allow_anonymous: bool = _ACCESS.allow_anonymous
    anonymous_role: RoleWord = "viewer"
    """Role of people and programs that show no credentials, with `allow_anonymous`."""
    token_file: AnyPath | None = None
    certificates: Roles = Field(default_factory=dict)
    os_users: Roles = Field(default_factory=dict)
    oidc: OidcTable | None = None
    """Sign-in through a provider; none without this table."""
    sessions: SessionsTable = SessionsTable()
    """Sessions of people who are signed in on the page."""
    rates: RatesTable = RatesTable()
    """How much one client of the page may ask."""
    audit: AuditTable = AuditTable()
    """The record of every act that changes something."""

    @model_validator(mode="after")
    def _somebody_can_sign_in(self) -> Self:
        if self.os_users and not self.lets_somebody_in:
            raise ValueError(
                "os_users alone lets nobody into gateway and page; add token_file, certificates or oidc, or set "
                "allow_anonymous = true"
            )
        return self

    @property
    def lets_somebody_in(self) -> bool:
        """Whether a server that other machines reach may start."""
        return self.allow_anonymous or bool(self.token_file or self.certificates or self.oidc)

    def settings(self, folder: Path) -> AccessSettings:
        """`folder` is that of the configuration file."""
        return AccessSettings(
            allow_anonymous=self.allow_anonymous,
            anonymous_role=role_of(self.anonymous_role),
            token_file=self.token_file,
            certificates=_roles(self.certificates),
            os_users=_roles(self.os_users),
            oidc=None if self.oidc is None else self.oidc.settings,
            sessions=SessionSettings(**self.sessions.model_dump()),
            rates=RateSettings(**self.rates.model_dump()),
            audit=AuditSettings(
                self.audit.folder or (folder / _AUDIT.folder).resolve(),
                self.audit.heads_to,
                self.audit.heads_every_s,
                self.audit.segment_bytes,
                self.audit.keep_days,
                self.audit.max_bytes,
            ),
        )


def _roles(words: Mapping[str, RoleWord]) -> Mapping[str, Role]:
    return {name: role_of(word) for name, word in words.items()}
