"""Sessions: how long they last, how many there are, and that a stranger's cookie finds none."""

import pytest

from inspector.access.principal import Principal
from inspector.access.rate import Buckets
from inspector.access.roles import Role
from inspector.access.sessions import Sessions
from inspector.access.settings import SessionSettings

LEE, KIM = Principal("lee", Role.OPERATOR, "oidc"), Principal("kim", Role.VIEWER, "token")


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_session_is_found_by_its_cookie_only(clock: Clock) -> None:
    sessions = Sessions(SessionSettings(), clock)
    cookie, session = sessions.open(LEE)
    assert sessions.find(cookie) is session
    for wrong in ("", cookie[:-1], cookie + "x", "\udcff"):
        assert sessions.find(wrong) is None
    assert cookie not in str(vars(sessions))


def test_a_session_ends_by_age_even_if_it_is_used(clock: Clock) -> None:
    sessions = Sessions(SessionSettings(age_s=100.0, idle_s=60.0), clock)
    cookie, _ = sessions.open(LEE)
    for _ in range(9):
        clock.now_s += 11.0
        assert sessions.find(cookie)
    clock.now_s += 11.0
    assert sessions.find(cookie) is None
    assert len(sessions) == 0


def test_a_session_ends_when_nobody_uses_it(clock: Clock) -> None:
    sessions = Sessions(SessionSettings(age_s=1000.0, idle_s=60.0), clock)
    cookie, session = sessions.open(LEE)
    clock.now_s += 59.0
    assert sessions.find(cookie)
    clock.now_s += 59.0
    assert sessions.lives(session)
    clock.now_s += 1.0
    assert not sessions.lives(session), "an open stream asks this, and is no use of the session"
    assert sessions.find(cookie) is None


def test_one_session_too_many_ends_the_one_that_was_idle_longest(clock: Clock) -> None:
    sessions = Sessions(SessionSettings(max_sessions=3), clock)
    first, second = (sessions.open(Principal(str(i), Role.VIEWER, "token"))[0] for i in range(2))
    sessions.open(LEE)
    sessions.find(first)
    sessions.open(KIM)
    assert len(sessions) == 3
    assert sessions.find(second) is None
    assert sessions.find(first)


def test_one_person_cannot_take_the_sessions_of_all(clock: Clock) -> None:
    sessions = Sessions(SessionSettings(max_sessions=10, max_per_principal=2), clock)
    kims, _ = sessions.open(KIM)
    lees = [sessions.open(LEE)[0] for _ in range(20)]
    assert len(sessions) == 3
    assert sessions.find(kims)
    assert [sessions.find(cookie) is not None for cookie in lees[-3:]] == [False, True, True]


def test_a_session_ends_with_the_token_that_opened_it(clock: Clock) -> None:
    is_valid = True
    sessions = Sessions(SessionSettings(), clock)
    cookie, session = sessions.open(LEE, lambda: is_valid)
    assert sessions.lives(session)
    is_valid = False
    assert not sessions.lives(session)
    assert sessions.find(cookie) is None


def test_signing_out_ends_the_session_also_for_its_open_streams(clock: Clock) -> None:
    sessions = Sessions(SessionSettings(), clock)
    cookie, session = sessions.open(LEE)
    _, other = sessions.open(LEE)
    sessions.close(cookie)
    assert not sessions.lives(session)
    assert sessions.lives(other)
    assert sessions.close_all_of("lee") == 1
    assert not sessions.lives(other)


def test_rates_are_kept_for_a_bounded_number_of_names(clock: Clock) -> None:
    buckets = Buckets(1.0, 2.0, clock, remembered=10)
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 1.0]
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets) == 10
    clock.now_s += 1.0
    assert buckets.take("a") == 0.0
