"""Settings of sign-in, roles and audit. Their defaults and meanings are stated here only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inspector.access.roles import Role


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Sign-in through a provider of OpenID Connect, such as Keycloak."""

    issuer: str
    """Address of the provider, exactly as it stands in its tokens: `https://sso.plant.example/realms/plant`."""
    client_id: str
    """Name of this service at the provider."""
    client_secret: str = ""
    """Its password there; empty for a public client, which PKCE protects alone."""
    audience: str = ""
    """Expected in access tokens that gRPC clients send; empty: the client id."""
    name_claim: str = "preferred_username"
    """Claim that holds the person's name."""
    groups_claim: str = "groups"
    """Claim that holds the person's groups; dots lead into tables: `realm_access.roles`."""
    groups: Mapping[str, Role] = field(default_factory=dict)
    """Role of each group. A person has the highest role of their groups, and without any no access."""
    scopes: str = "openid profile"
    """Scopes asked for at sign-in, separated by spaces."""
    timeout_s: float = 5.0
    """Limit of each request to the provider."""
    keys_age_s: float = 3600.0
    """The provider's keys are fetched again after this time."""
    leeway_s: float = 30.0
    """Difference allowed between this machine's clock and the provider's."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Sessions of people who are signed in on the page."""

    age_s: float = 12 * 3600.0
    """A session ends after this time."""
    idle_s: float = 2 * 3600.0
    """A session without a request ends after this time; what an open page receives by itself is no request."""
    recheck_s: float = 300.0
    """An event stream that a bearer token or a certificate opened ends after this time; the program then shows its
    credentials again."""
    max_sessions: int = 1000
    """Sessions at the same time; one more ends the session that was idle longest."""
    max_per_principal: int = 20
    """Sessions of one person at the same time, with the same effect."""


@dataclass(frozen=True, slots=True)
class RateSettings:
    """How much one client of the page may ask."""

    requests_per_s: float = 200.0
    """Requests a second from one address, and of one signed-in person."""
    burst_s: float = 5.0
    """So many seconds' worth of requests may come at once."""
    acts_per_minute: float = 300.0
    """Acts a minute of one person that change something, each of which is recorded."""
    sign_ins_per_minute: float = 10.0
    """Failed sign-ins a minute from one address."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The record of every act that changes something."""

    folder: Path = Path("audit")
    """Folder of the audit log and its key."""
    heads_to: str = ""
    """Folder or address (`s3://bucket/audit`) that signed heads are copied to; a machine of its own shows cuts."""
    heads_every_s: float = 60.0
    """How often the newest head is copied there."""
    segment_bytes: int = 16 * 2**20
    """A log file of this size is closed and named after its last record; the next one follows from it."""
    keep_days: float | None = None
    """Closed files whose records are all older are removed, the oldest first. Without it, none is for its age."""
    max_bytes: int | None = None
    """With more bytes of log files and heads, the oldest closed files are removed. Without it, none is for its size."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may do what."""

    allow_anonymous: bool = False
    """Lets everybody who reaches the service in, with `anonymous_role`."""
    anonymous_role: Role = Role.VIEWER
    """Role of people and programs that show no credentials, with `allow_anonymous`."""
    token_file: Path | None = None
    """File of tokens that `inspector access token` writes: hashes only."""
    certificates: Mapping[str, Role] = field(default_factory=dict)
    """Role of each client certificate, by its common name. Needs `tls.client_ca`."""
    os_users: Mapping[str, Role] = field(default_factory=dict)
    """Role of users of the operating system, for commands that work on the log directly."""
    oidc: OidcSettings | None = None
    sessions: SessionSettings = SessionSettings()
    rates: RateSettings = RateSettings()
    audit: AuditSettings = AuditSettings()

    @property
    def has_roles(self) -> bool:
        """Whether anybody can prove who they are to a server."""
        return self.token_file is not None or bool(self.certificates) or self.oidc is not None

    @property
    def lets_somebody_in(self) -> bool:
        """Whether a server that other machines reach may start."""
        return self.has_roles or self.allow_anonymous

    @property
    def is_configured(self) -> bool:
        return self.lets_somebody_in or bool(self.os_users)
