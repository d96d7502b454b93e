"""Who loses a place when all are occupied, and who is refused."""

import asyncio

import pytest

from inspector.gateway.callers import Caller, host_of
from inspector.gateway.places import Places
from inspector.gateway.refusal import StatusError


def caller(name: str) -> Caller:
    """`a1`: the first connection of host a."""
    return Caller(name[0], name)


async def outcome(held: str, newcomer: str, patience_s: float, held_s: float) -> list[str]:
    """Which of the holders are displaced by the newcomer; `refused` where it is turned away."""
    now_s = [0.0]
    places = Places("things", len(held.split()), patience_s, clock=lambda: now_s[0])
    ended: list[str] = []

    async def hold(name: str) -> None:
        try:
            async with places.place(caller(name)):
                await asyncio.sleep(3600)
        except StatusError:
            ended.append(name)

    holders = [asyncio.create_task(hold(name)) for name in held.split()]
    await asyncio.sleep(0)
    now_s[0] = held_s
    try:
        async with places.place(caller(newcomer)):
            await asyncio.sleep(0)
    except StatusError:
        ended.append("refused")
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    assert len(places) == 0
    return ended


@pytest.mark.parametrize(
    ("held", "newcomer", "patience_s", "held_s", "expected"),
    [
        ("a1 a1 a1", "b1", 60.0, 0.0, ["a1"]),
        ("a1 a2 b1 a2", "c1", 60.0, 0.0, ["a2"]),  # the host with the most, of it the connection with the most
        ("a1 a1 a1", "a2", 60.0, 0.0, ["a1"]),  # clients behind one address are told apart by connection
        ("a1 a1 a1", "a1", 60.0, 0.0, ["refused"]),
        ("a1 b1 c1", "d1", 60.0, 59.0, ["refused"]),  # equals keep what they have,
        ("a1 b1 c1", "d1", 60.0, 61.0, ["a1"]),  # for as long as patience lasts; then the oldest yields
        ("a1 a2 a3", "a4", 0.0, 0.0, ["a1"]),
        ("a1 a1 b1", "b2", 60.0, 0.0, ["refused"]),  # two to one: nobody gains by changing
    ],
)
async def test_a_newcomer_displaces_who_holds_more(
    held: str, newcomer: str, patience_s: float, held_s: float, expected: list[str]
) -> None:
    assert await outcome(held, newcomer, patience_s, held_s) == expected


@pytest.mark.parametrize(("newcomer", "is_admitted"), [("a3", True), ("b1", False)])
async def test_connections_of_one_host_may_have_less_patience_with_each_other(newcomer: str, is_admitted: bool) -> None:
    """Connections of one host count as one client, hosts do not."""
    places = Places("things", 2, 60.0, 0.0)

    async def hold(name: str) -> None:
        async with places.place(caller(name)):
            await asyncio.sleep(3600)

    holders = [asyncio.create_task(hold(name)) for name in ("a1", "c1" if newcomer == "b1" else "a2")]
    await asyncio.sleep(0)
    place = places.place(caller(newcomer))
    assert places.occupy(place) is is_admitted
    places.leave(place)
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)


async def test_a_displaced_call_that_its_client_cancels_stays_cancelled() -> None:
    places = Places("things", 1, 0.0)

    async def hold() -> None:
        async with places.place(caller("a1")):
            await asyncio.sleep(3600)

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    async with places.place(caller("b1")):
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder


async def test_a_place_may_be_waited_for() -> None:
    places = Places("things", 1)
    first = places.place(caller("a1"))
    await first.__aenter__()
    asyncio.get_running_loop().call_later(0.05, places.leave, first)
    async with places.place(caller("b1"), wait_s=5.0):
        assert len(places) == 1


async def test_a_place_that_is_left_wakes_one_of_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once would take each other's places, and those of calls that need theirs for a moment only."""
    monkeypatch.setattr("inspector.gateway.places.LOOK_EVERY_S", 3600.0)
    places = Places("things", 2)
    held = [places.place(caller(name)) for name in ("a1", "b1")]
    for place in held:
        await place.__aenter__()
    waiting = [asyncio.create_task(places.look_again()) for _ in range(3)]
    await asyncio.sleep(0)
    for num_woken, place in enumerate(held, 1):
        places.leave(place)
        await asyncio.sleep(0.01)
        assert [task.done() for task in waiting] == [True] * num_woken + [False] * (3 - num_woken)
    waiting[2].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:192.0.2.7:50123", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50123", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::1]:1", "2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50123", "192.0.2.7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50123", "fe80::/64"),
        ("unix:", "unix"),
    ],
)
def test_a_host_is_an_address_or_a_network_of_64_bits(peer: str, host: str) -> None:
    assert host_of(peer) == host
