"""How often a host, and all of them, may file a finding."""

import pytest

from inspector.gateway.rate import REMEMBERED_HOSTS, Rate
from inspector.gateway.refusal import StatusError


def count(rate: Rate, host: str) -> int:
    """How many in a row before one is refused."""
    num_taken = 0
    try:
        while num_taken < 10_000:
            rate.take(host)
            num_taken += 1
    except StatusError:
        return num_taken
    return num_taken


def test_a_host_takes_half_and_all_together_the_whole() -> None:
    now_s = [0.0]
    rate = Rate(10.0, 5.0, clock=lambda: now_s[0])
    assert [count(rate, host) for host in ("a", "b", "c")] == [25, 25, 0]
    now_s[0] = 1.0
    assert [count(rate, host) for host in ("a", "b", "c")] == [5, 5, 0]


def test_hosts_are_forgotten() -> None:
    rate = Rate(10.0, 1e6, clock=lambda: 0.0)
    for number in range(3 * REMEMBERED_HOSTS):
        rate.take(str(number))
    assert len(rate._hosts) == REMEMBERED_HOSTS


def test_the_time_to_wait_is_said() -> None:
    rate = Rate(1.0, 1.0, clock=lambda: 0.0)
    rate.take("a")
    with pytest.raises(StatusError, match=r"try again in 2\.0 s|try again in 1\.0 s"):
        rate.take("a")
