"""Sessions of people who are signed in on the page. They live in memory: a restart ends them."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from inspector.access.principal import Principal
from inspector.access.settings import SessionSettings


def always() -> bool:
    return True


@dataclass(slots=True)
class Session:
    """One person in one browser."""

    principal: Principal
    opened_s: float
    """By the monotonic clock, as `seen_s`."""
    seen_s: float
    is_valid: Callable[[], bool] = always
    """Whether the credentials still hold that the session was opened with."""
    is_closed: bool = False
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """Proves that a form or script belongs to the session's own page."""


class Sessions:
    """By cookie, of which only the hash is kept. Use in one event loop or thread."""

    def __init__(self, settings: SessionSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        """The one seen last stands last."""

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, principal: Principal, is_valid: Callable[[], bool] = always) -> tuple[str, Session]:
        """The cookie's value and the session. May end the session that was idle longest."""
        self._make_room(principal)
        cookie, now_s = secrets.token_urlsafe(32), self._clock()
        session = self._sessions[_digest(cookie)] = Session(principal, now_s, now_s, is_valid)
        return cookie, session

    def find(self, cookie: str) -> Session | None:
        """The session, which counts as seen now; None if it has ended."""
        digest = _digest(cookie)
        session = self._sessions.get(digest)
        if session is None:
            return None
        if not self.lives(session):
            del self._sessions[digest]
            return None
        self.touch(session)
        self._sessions.move_to_end(digest)
        return session

    def touch(self, session: Session) -> None:
        """Counts as a request: somebody looks at a stream."""
        session.seen_s = self._clock()

    def close(self, cookie: str) -> None:
        self._end(_digest(cookie))

    def close_all_of(self, name: str) -> int:
        """Ends all sessions of a person; returns how many."""
        digests = [digest for digest, session in self._sessions.items() if session.principal.name == name]
        for digest in digests:
            self._end(digest)
        return len(digests)

    def lives(self, session: Session) -> bool:
        """Whether it has not ended: by sign-out, by age, without requests, or with its credentials."""
        now_s = self._clock()
        is_young = now_s - session.opened_s < self._settings.age_s and now_s - session.seen_s < self._settings.idle_s
        return is_young and not session.is_closed and session.is_valid()

    def _make_room(self, principal: Principal) -> None:
        digests = [digest for digest, session in self._sessions.items() if session.principal == principal]
        for digest in digests[: max(0, len(digests) + 1 - self._settings.max_per_principal)]:
            self._end(digest)
        while len(self._sessions) >= self._settings.max_sessions:
            self._end(next(iter(self._sessions)))

    def _end(self, digest: bytes) -> None:
        session = self._sessions.pop(digest, None)
        if session is not None:
            session.is_closed = True


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode(errors="surrogatepass")).digest()
