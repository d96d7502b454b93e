"""Parts of the sign-in: identities, sessions, provider, rates."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from time import monotonic

from anyio import CapacityLimiter

from inspector.access.exposure import is_loopback
from inspector.access.identities import Identities, check_setup, provider_of
from inspector.access.rate import Buckets
from inspector.access.sessions import Sessions
from inspector.access.settings import AccessSettings
from inspector.access.sign_in import Begun, SignInFlow
from inspector.web.hosts import HostNames

MAX_ASKING = 4
MAX_BEGUN = 1000
MAX_BEGUN_PER_HOST = 100
BEGUN_S = 600.0
"""A person has this long to sign in at the provider."""


class BegunSignIns:
    """Sign-ins at the provider that are not finished. Use in one event loop."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._begun: OrderedDict[str, tuple[Begun, str, float, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._begun)

    def add(self, begun: Begun, then: str, host: str) -> None:
        """`then` is the path that the person wanted. One too many of the same host ends its oldest."""
        self._begun[begun.state] = begun, then, self._clock(), host
        of_host = [state for state, known in self._begun.items() if known[3] == host]
        for state in of_host[:-MAX_BEGUN_PER_HOST]:
            del self._begun[state]
        while len(self._begun) > MAX_BEGUN:
            self._begun.popitem(last=False)

    def take(self, state: str) -> tuple[Begun, str] | None:
        """Each works once."""
        known = self._begun.pop(state, None)
        return None if known is None or self._clock() - known[2] > BEGUN_S else known[:2]


@dataclass(frozen=True, slots=True)
class PageAccess:
    """Of one page server. Used in its event loop."""

    settings: AccessSettings
    identities: Identities
    sessions: Sessions
    requests: Buckets
    """How often an address, and a signed-in person, may ask."""
    acts: Buckets
    """How often a person may change something."""
    flow: SignInFlow | None = None
    hosts: HostNames | None = None
    """Where people get in without credentials: names that a browser may call this server by."""
    asking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(MAX_ASKING))
    """Checks of credentials that may ask the provider, at the same time."""
    begun: BegunSignIns = field(default_factory=BegunSignIns)
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Of the sign-in form, which has no session."""


def page_access(settings: AccessSettings, listen: str, hosts: Iterable[str] = ()) -> PageAccess:
    """`hosts` are further names of the page. Raises AccessSetupError."""
    check_setup(settings)
    is_local = is_loopback(listen)
    bearer, flow = provider_of(settings.oidc)
    rates = settings.rates
    return PageAccess(
        settings,
        Identities(settings, only_this_machine=is_local, bearer=bearer),
        Sessions(settings.sessions),
        Buckets(rates.requests_per_s, rates.requests_per_s * rates.burst_s),
        Buckets(rates.acts_per_minute / 60, rates.acts_per_minute),
        flow,
        hosts=_host_names(settings, listen, hosts),
    )


def _host_names(settings: AccessSettings, listen: str, hosts: Iterable[str]) -> HostNames | None:
    """None where everybody signs in."""
    is_open = is_loopback(listen) and not settings.is_configured
    if not (is_open or settings.allow_anonymous):
        return None
    listen_host = listen.rpartition(":")[0].strip("[]")
    return HostNames.of([*hosts, listen_host], only_this_machine=is_open)


def open_access() -> PageAccess:
    """For a page without sign-in that only this machine reaches, by whatever name."""
    return replace(page_access(AccessSettings(), "127.0.0.1:0"), hosts=None)
