"""Paths that lose, fall silent, or change under a living link."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from protocols.errors import LinkError, SettingsError
from transports.api import Link
from transports.quic import QuicLimits, QuicTransport, udp
from transports.quic.frames import LENGTH
from transports.quic.limits import SAFE_DATAGRAM_BYTES
from transports.recorder import Recorder

ENGINES = ["qh3", "aioquic"]
PAIRINGS = [(one, other) for one in ENGINES for other in ENGINES]


async def through(
    middle: Any, make_quic: Any, client: str, server: str, limits: QuicLimits | None = None
) -> Any:
    """Two owners and their links, linked through a proxy."""
    listener, dialler = make_quic(server, limits), make_quic(client, limits)
    [address] = await listener.listen("quic://127.0.0.1:0")
    nat = await middle(address)
    near = await dialler.dial(nat.address)
    far = await anext(listener.accept())
    near_owner, far_owner = Recorder(), Recorder()
    near.attach(near_owner)
    far.attach(far_owner)
    return nat, dialler, near, far, near_owner, far_owner


@pytest.mark.parametrize(("client", "server"), PAIRINGS)
async def test_a_link_survives_a_new_port_of_its_nat(
    client: str, server: str, middle: Any, make_quic: Any
) -> None:
    nat, _, near, far, near_owner, far_owner = await through(middle, make_quic, client, server)
    near.send([b"before"], reliable=True)
    await far_owner.until_frames(1)
    await nat.rebind()
    near.send([b"after"], reliable=True)
    assert await far_owner.until_frames(2) == [b"before", b"after"]
    far.send([os.urandom(30_000)], reliable=True)
    assert len((await near_owner.until_frames(1))[0]) == 30_000
    assert far.address == f"quic://127.0.0.1:{nat.port_towards_server}"


@pytest.mark.parametrize(("client", "server"), PAIRINGS)
async def test_loss_delays_the_reliable_lane_and_nothing_else(
    client: str, server: str, middle: Any, make_quic: Any
) -> None:
    nat, _, near, far, near_owner, far_owner = await through(middle, make_quic, client, server)
    nat.loss = 0.05
    frames = [os.urandom(20_000) for _ in range(10)]
    near.send(frames, reliable=True)
    far.send(frames, reliable=True)
    assert await far_owner.until_frames(10) == frames
    assert await near_owner.until_frames(10) == frames


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_silent_peer_is_given_up_in_bounded_time(engine: str, middle: Any, make_quic: Any) -> None:
    limits = QuicLimits(answer_s=0.2, keep_alive_s=0.1)
    nat, _, _, _, near_owner, far_owner = await through(middle, make_quic, engine, engine, limits)
    nat.silent = True  # nobody sends anything: the keep-alive finds out
    assert await near_owner.until_lost() == "silent"
    assert await far_owner.until_lost() == "silent"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_lost_farewell_is_said_again(engine: str, middle: Any, make_quic: Any) -> None:
    nat, _, near, far, near_owner, far_owner = await through(middle, make_quic, engine, engine)
    nat.silent = True
    await far.close()
    await far_owner.until_lost()
    nat.silent = False
    near.send([b"are you there?"], reliable=True)
    assert await near_owner.until_lost() == "peer_closed"


@pytest.mark.parametrize("engine", ENGINES)
async def test_keep_alive_holds_an_idle_link(engine: str, middle: Any, make_quic: Any, until: Any) -> None:
    limits = QuicLimits(keep_alive_s=0.02, answer_s=5.0, idle_s=0.3)
    _, _, near, far, _, far_owner = await through(middle, make_quic, engine, engine, limits)
    before = far.stats.datagrams_in
    await until(lambda: far.stats.datagrams_in >= before + 30)  # 20 ms apart, so the idle timeout has passed
    near.send([b"still here"], reliable=True)
    assert await far_owner.until_frames(1) == [b"still here"]


class StillClock:
    """Nothing comes due by itself."""

    def now_ns(self) -> int:
        return 1_000_000_000


@pytest.fixture
async def still_pair(connect_pair: Any) -> AsyncIterator[Any]:
    """A link in a world where time stands still, so that its alarms can be read."""
    dialler, listener = (QuicTransport(StillClock(), os.urandom) for _ in range(2))
    pair = await connect_pair(dialler, listener, "quic://127.0.0.1:0")
    pair.attach()
    pair.near.send([b"hello"], reliable=True)
    await pair.far_owner.until_frames(1)
    yield pair
    await dialler.close()
    await listener.close()


def keep_alive_s(link: Any) -> float:
    """The silence after which it asks."""
    return link._care_due_s() - link._heard_ns / 1e9


def test_no_saving_of_energy_stretches_the_keep_alive_beyond_what_a_nat_and_the_idle_timeout_bear() -> None:
    limits = QuicLimits()
    assert limits.keep_alive_s <= limits.keep_alive_s_max < min(30.0, limits.idle_s)


@pytest.mark.parametrize(("asked_s", "kept_s"), [(2, 2.0), (25, 25.0), (110, 25.0)])
async def test_a_living_link_and_later_ones_are_paced_as_far_as_a_nat_allows(
    asked_s: int, kept_s: float, still_pair: Any
) -> None:
    still_pair.listener.pace(asked_s * 1_000_000_000)
    assert keep_alive_s(still_pair.far) == kept_s
    assert keep_alive_s(still_pair.near) == QuicLimits().keep_alive_s  # each end as its own energy level says
    arrivals = still_pair.listener.accept()
    await still_pair.dialler.dial(still_pair.address)
    later = await anext(arrivals)
    assert later._limits.keep_alive_s == kept_s


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_shorter_pace_rings_at_once(engine: str, middle: Any, make_quic: Any, until: Any) -> None:
    limits = QuicLimits(keep_alive_s=1000.0)
    _, dialler, _, far, *_ = await through(middle, make_quic, engine, engine, limits)
    before = far.stats.datagrams_in
    dialler.pace(20_000_000)
    await until(lambda: far.stats.datagrams_in >= before + 10)


async def test_after_a_change_of_network_dead_links_are_found_soon(middle: Any, make_quic: Any) -> None:
    limits = QuicLimits(probe_s=0.1, answer_s=1000.0)
    nat, dialler, _, _, near_owner, _ = await through(middle, make_quic, "qh3", "qh3", limits)
    nat.silent = True
    dialler.network_changed()
    assert await near_owner.until_lost() == "silent"


async def test_after_a_change_of_network_living_links_stay(middle: Any, make_quic: Any, until: Any) -> None:
    limits = QuicLimits(probe_s=5.0)
    _, dialler, near, _, near_owner, far_owner = await through(middle, make_quic, "qh3", "qh3", limits)
    before = near.stats.datagrams_in
    dialler.network_changed()
    near.send([b"alive"], reliable=True)
    await far_owner.until_frames(1)
    await until(lambda: near.stats.datagrams_in > before)
    assert near_owner.lost is None


@pytest.mark.parametrize(("client", "server"), PAIRINGS)
async def test_a_frame_longer_than_allowed_ends_the_link(
    client: str, server: str, make_quic: Any, connect_pair: Any
) -> None:
    pair = await connect_pair(make_quic(client), make_quic(server), "quic://127.0.0.1:0")
    pair.attach()
    pair.near._engine.send_stream(LENGTH.pack(0xFFFFFFFF))  # what no honest link sends
    pair.near.send([b"x"], reliable=True)
    assert await pair.far_owner.until_lost() == "oversize_frame"
    assert await pair.near_owner.until_lost() == "peer_closed"


async def test_two_nodes_talk_both_ways_through_their_listening_ports(
    make_quic: Callable[..., QuicTransport],
) -> None:
    one, other = make_quic("qh3"), make_quic("aioquic")
    [address_one] = await one.listen("quic://127.0.0.1:0")
    [address_other] = await other.listen("quic://127.0.0.1:0")
    dials = one.dial(address_other), other.dial(address_one)
    links: list[Link] = [*(await asyncio.gather(*dials))]
    assert (await anext(other.accept())).address == address_one
    assert (await anext(one.accept())).address == address_other
    assert [link.address for link in links] == [address_other, address_one]


@pytest.mark.parametrize("engine", ENGINES)
async def test_ipv6_and_ipv4_share_a_port(engine: str, make_quic: Any) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 in this Python")
    listener, dialler = make_quic(engine), make_quic(engine)
    try:
        [six] = await listener.listen("quic://[::1]:0")
    except LinkError:
        pytest.skip("no IPv6 loopback on this machine")
    port = six.rpartition(":")[2]
    [four] = await listener.listen(f"quic://127.0.0.1:{port}")
    arrivals = listener.accept()
    for address in (six, four, f"quic://localhost:{port}"):
        link, owner = await dialler.dial(address), Recorder()
        (await anext(arrivals)).attach(owner)
        link.send([b"hello"], reliable=True)
        assert await owner.until_frames(1) == [b"hello"]
        assert link.address in (six, four)


@pytest.mark.parametrize("engine", ENGINES)
async def test_without_batches_from_the_kernel_all_works_the_same(
    engine: str, make_quic: Any, connect_pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: socket.socket) -> bool:
        return False

    monkeypatch.setattr(udp, "can_segment", refuse)
    monkeypatch.setattr(udp, "can_coalesce", refuse)
    pair = await connect_pair(make_quic(engine), make_quic(engine), "quic://127.0.0.1:0")
    pair.attach()
    frames = [os.urandom(60_000) for _ in range(5)]
    pair.near.send(frames, reliable=True)
    assert await pair.far_owner.until_frames(5) == frames


async def test_a_qh3_client_finds_out_what_the_path_carries(make_quic: Any, connect_pair: Any) -> None:
    pair = await connect_pair(make_quic("qh3"), make_quic("qh3"), "quic://127.0.0.1:0")
    pair.attach()
    assert pair.near.traits.datagram_bytes_max < SAFE_DATAGRAM_BYTES
    while pair.near.traits.datagram_bytes_max < 1400:
        pair.near.send([bytes(50_000)], reliable=True)
        await pair.far_owner.until_frames(len(pair.far_owner.frames) + 1)
    largest = bytes(pair.near.traits.datagram_bytes_max)
    pair.far_owner.frames.clear()
    pair.near.send([largest])
    assert await pair.far_owner.until_frames(1) == [largest]


async def test_settings_that_make_no_sense_are_sentences(make_quic: Any) -> None:
    transport = make_quic("qh3")
    with pytest.raises(SettingsError, match="IP address"):
        await transport.listen("quic://example.net:7420")
    with pytest.raises(SettingsError, match="port 0"):
        await transport.dial("quic://127.0.0.1:0")
    with pytest.raises(SettingsError, match="no QUIC engine"):
        await make_quic("quiche").listen("quic://127.0.0.1:0")
    with pytest.raises(LinkError, match="not an address of this machine"):
        await transport.listen("quic://192.0.2.1:0")
    with pytest.raises(LinkError, match="no address is known"):
        await transport.dial("quic://does-not-exist.invalid:7420")
    with pytest.raises(LinkError, match="no network interface"):
        await transport.dial("quic://[fe80::1%nosuch0]:7420")


async def test_the_best_installed_engine_is_taken(make_quic: Any) -> None:
    assert make_quic(None).engine == "qh3"


async def test_a_node_that_restarts_on_its_port_is_missed_soon(make_quic: Any) -> None:
    limits = QuicLimits(probe_s=0.1, answer_s=1000.0)
    one = make_quic("qh3", limits)
    [address] = await one.listen("quic://127.0.0.1:0")
    before = make_quic("qh3", limits)
    [home] = await before.listen("quic://127.0.0.1:0")
    old, owner = await one.dial(home), Recorder()
    old.attach(owner)
    (await anext(before.accept())).attach(Recorder())
    for endpoint in before._endpoints:
        endpoint.socket.close()  # as kill -9 does: no farewell
    after = make_quic("qh3", limits)
    await after.listen(home)
    await after.dial(address)
    assert await owner.until_lost() == "silent"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not report it to an unconnected socket")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_closed_port_is_known_at_once(engine: str, host: str, make_quic: Any) -> None:
    limits = QuicLimits(dial_s=1000.0, answer_s=1000.0, keep_alive_s=1000.0, probe_s=0.1)
    dialler, listener = make_quic(engine, limits), make_quic(engine, limits)
    try:
        [address] = await listener.listen(f"quic://{host}:0")
    except LinkError:
        pytest.skip("no IPv6 loopback on this machine")
    link, owner = await dialler.dial(address), Recorder()
    link.attach(owner)
    for endpoint in listener._endpoints:
        endpoint.socket.close()  # as kill -9 does
    with pytest.raises(LinkError, match="no node listens on that port"):
        await dialler.dial(address)
    link.send([b"hello?"], reliable=True)
    assert await owner.until_lost() == "silent"
