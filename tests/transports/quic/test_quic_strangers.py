"""What anybody can send to the UDP port, and what it costs us."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.errors import LinkError
from transports.quic import QuicLimits
from transports.recorder import Recorder

ENGINES = ["qh3", "aioquic"]
Until = Callable[[Callable[[], object]], Awaitable[None]]
FirstFlights = Callable[[int], Awaitable[list[bytes]]]


def judged(listener: Any) -> int:
    """How many datagrams were not worth a connection."""
    return sum(listener.dropped.values())


@pytest.mark.parametrize("engine", ENGINES)
async def test_junk_is_counted_and_the_port_still_answers(
    engine: str, make_quic: Any, stranger: Any, until: Until
) -> None:
    listener = make_quic(engine)
    [address] = await listener.listen("quic://127.0.0.1:0")

    @given(st.lists(st.binary(max_size=1400), max_size=8))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def throw(datagrams: list[bytes]) -> None:
        for data in datagrams:
            stranger.send(data, address)

    throw()
    marker = sum(listener.dropped.values())
    stranger.send(b"\x00", address)
    await until(lambda: judged(listener) >= marker + 1)
    assert listener.dropped["junk"] >= 1
    link = await make_quic(engine).dial(address)
    assert link.address == address


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_damaged_first_packet_keeps_no_slot(
    engine: str, make_quic: Any, stranger: Any, first_flights: FirstFlights, until: Until
) -> None:
    listener = make_quic(engine)
    [address] = await listener.listen("quic://127.0.0.1:0")
    [initial] = await first_flights(1)
    for bit in range(8 * 30, 8 * 400, 97):  # header's end, token, packet number, sealed bytes
        damaged = bytearray(initial)
        damaged[bit // 8] ^= 1 << bit % 8
        stranger.send(bytes(damaged), address)
    stranger.send(b"\x00", address)
    await until(lambda: "junk" in listener.dropped)
    assert (listener.dropped, listener.half_open) == ({"bad_initial": 31, "junk": 1}, 0)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_flood_of_handshakes_ends_at_the_limit(
    engine: str, make_quic: Any, stranger: Any, first_flights: FirstFlights, until: Until
) -> None:
    listener = make_quic(engine, QuicLimits(half_open_max=5, retry_from=100))
    [address] = await listener.listen("quic://127.0.0.1:0")
    for initial in await first_flights(12):
        stranger.send(initial, address)
    await until(lambda: judged(listener) >= 7)
    assert listener.dropped == {"half_open_full": 7}
    assert listener.half_open == 5


@pytest.mark.parametrize("engine", ENGINES)
async def test_under_load_a_stranger_must_prove_his_address_first(
    engine: str, make_quic: Any, stranger: Any, first_flights: FirstFlights, until: Until
) -> None:
    listener = make_quic(engine, QuicLimits(half_open_max=5, retry_from=2))
    [address] = await listener.listen("quic://127.0.0.1:0")
    for initial in await first_flights(6):
        stranger.send(initial, address)
    await until(lambda: judged(listener) >= 4)
    assert (listener.dropped, listener.half_open) == ({"retried": 4}, 2)
    for client in ENGINES:  # an honest one gets in all the same
        link = await make_quic(client).dial(address)
        assert link.address == address


@pytest.mark.parametrize("client", ENGINES)
@pytest.mark.parametrize("server", ENGINES)
async def test_a_retried_handshake_leads_to_a_whole_link(
    client: str, server: str, make_quic: Any, connect_pair: Any
) -> None:
    listener = make_quic(server, QuicLimits(retry_from=0))
    pair = await connect_pair(make_quic(client), listener, "quic://127.0.0.1:0")
    assert listener.dropped["retried"] >= 1  # one for each datagram of the first flight
    pair.attach()
    pair.near.send([b"through"], reliable=True)
    assert await pair.far_owner.until_frames(1) == [b"through"]
    assert pair.near.binding == pair.far.binding


async def test_a_token_of_somebody_else_lets_nobody_in(
    make_quic: Any, stranger: Any, first_flights: FirstFlights, until: Until
) -> None:
    listener = make_quic("qh3", QuicLimits(retry_from=0))
    [address] = await listener.listen("quic://127.0.0.1:0")
    [initial] = await first_flights(1)
    at = 5 + 1 + initial[5]
    at += 1 + initial[at]  # behind both connection ids stands the token's length, zero
    stranger.send((initial[:at] + b"\x40\x46" + bytes(70) + initial[at + 1 :])[:1200], address)
    await until(lambda: judged(listener) >= 1)
    assert (listener.dropped, listener.half_open) == ({"bad_token": 1}, 0)


async def test_an_unknown_version_is_told_ours(
    make_quic: Any, stranger: Any, until: Until, hang_s: float
) -> None:
    listener = make_quic("qh3")
    [address] = await listener.listen("quic://127.0.0.1:0")
    question = b"\xc0\xfa\xce\xb0\x0c" + b"\x08destinat" + b"\x06source"
    stranger.send(question.ljust(1200, b"\0"), address)
    async with asyncio.timeout(hang_s):
        answer = await stranger.heard.get()
    assert answer[1:5] == bytes(4)
    assert answer[5:] == b"\x06source" + b"\x08destinat" + b"\x00\x00\x00\x01"
    stranger.send(question, address)  # too short to be worth more bytes than it has
    await until(lambda: judged(listener) >= 2)
    assert listener.dropped == {"unknown_version": 1, "short_initial": 1}


async def test_with_all_links_taken_nobody_new_is_answered(make_quic: Any) -> None:
    listener = make_quic("qh3", QuicLimits(connections_max=1))
    [address] = await listener.listen("quic://127.0.0.1:0")
    first = make_quic("qh3", QuicLimits(dial_s=0.2))
    await first.dial(address)
    with pytest.raises(LinkError, match="nobody answers"):
        await first.dial(address)
    assert listener.dropped["connections_full"] >= 1


async def test_links_that_nobody_takes_are_refused_in_the_end(make_quic: Any) -> None:
    listener = make_quic("qh3", QuicLimits(accept_max=2))
    [address] = await listener.listen("quic://127.0.0.1:0")
    dialler = make_quic("qh3")
    links = [await dialler.dial(address) for _ in range(2)]
    links.append(await dialler.dial(address))
    owner = Recorder()
    links[-1].attach(owner)
    assert await owner.until_lost() == "peer_closed"
    assert listener.dropped == {"accept_full": 1}


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_handshake_that_stays_half_open_is_dropped(
    engine: str, make_quic: Any, stranger: Any, first_flights: FirstFlights, until: Until
) -> None:
    listener = make_quic(engine, QuicLimits(handshake_s=0.05))
    [address] = await listener.listen("quic://127.0.0.1:0")
    [initial] = await first_flights(1)
    stranger.send(initial, address)
    await until(lambda: judged(listener) >= 1)
    assert (listener.dropped, listener.half_open) == ({"handshake_timeout": 1}, 0)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_link_without_an_owner_keeps_a_bounded_amount(
    engine: str, make_quic: Any, connect_pair: Any
) -> None:
    listener = make_quic(engine, QuicLimits(early_bytes_max=100_000))
    pair = await connect_pair(make_quic(engine), listener, "quic://127.0.0.1:0")
    pair.near.attach(pair.near_owner)
    pair.near.send([bytes(60_000)] * 2, reliable=True)
    assert await pair.near_owner.until_lost() == "peer_closed"
    assert listener.dropped == {"nobody_listens": 1}


async def test_a_link_that_nobody_attaches_to_ends(make_quic: Any, connect_pair: Any) -> None:
    listener = make_quic("qh3", QuicLimits(idle_s=0.2))
    pair = await connect_pair(make_quic("qh3", QuicLimits(keep_alive_s=0.05)), listener, "quic://127.0.0.1:0")
    pair.near.attach(pair.near_owner)
    assert await pair.near_owner.until_lost() == "peer_closed"  # though it pinged all the time
    assert listener.dropped == {"nobody_listens": 1}


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_a_library_raises_ends_one_link_only(
    engine: str, make_quic: Any, connect_pair: Any, until: Until
) -> None:
    listener = make_quic(engine)
    pair = await connect_pair(make_quic(engine), listener, "quic://127.0.0.1:0")
    pair.attach()
    pair.far._engine._quic = None  # every call of the library now raises
    pair.near.send([b"hello"], reliable=True)
    assert await pair.far_owner.until_lost() == "engine_error"
    assert listener.dropped["engine_error"] == 1
    another = await pair.dialler.dial(pair.address)
    assert another.address == pair.address
