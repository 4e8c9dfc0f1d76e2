import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from zeroconf import (
    DNSOutgoing,  # pyright: ignore[reportPrivateImportUsage] - no public way to write a packet by hand
    DNSPointer,  # pyright: ignore[reportPrivateImportUsage]
)
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from protocols.errors import LinkError, LocalError
from protocols.ids import NodeId
from transports.discovery import Announcement, Sighting, recognises
from transports.discovery.mdns import LOOK_S, RESOLVING_MAX, ROTATE_S, SERVICE_TYPE, MdnsDiscovery
from transports.discovery.records import make_instance

ALICE, BOB = NodeId(os.urandom(32)), NodeId(os.urandom(32))  # other test processes share the loopback
AT_ALICE = Announcement(("quic://127.0.0.1:7420",), node=ALICE)
AT_BOB = Announcement(("quic://127.0.0.1:7421",), node=BOB)
PATIENCE_S = 20  # only a fault runs into it

Make = Callable[..., MdnsDiscovery]


def loopback() -> tuple[str, ...]:
    return ("127.0.0.1",)


def loopback_takes_multicast() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            membership = socket.inet_aton("224.0.0.251") + socket.inet_aton("127.0.0.1")
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        except OSError:
            return False
    return True


needs_multicast = pytest.mark.skipif(not loopback_takes_multicast(), reason="no multicast on loopback here")


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    """Discoveries on loopback that are stopped when the test ends."""
    async with AsyncExitStack() as stack:

        def one(**more: object) -> MdnsDiscovery:
            options = {"entropy": os.urandom, "hosts": loopback} | more
            discovery = MdnsDiscovery(**options)  # type: ignore[arg-type]
            stack.push_async_callback(discovery.stop)
            return discovery

        yield one


async def next_that(discovery: MdnsDiscovery, wanted: Callable[[Sighting], bool]) -> Sighting:
    async with asyncio.timeout(PATIENCE_S):
        async for sighting in discovery.found():
            if wanted(sighting):
                return sighting
    raise AssertionError("the stream ended")


def is_alice(sighting: Sighting) -> bool:
    return not sighting.gone and recognises(ALICE, sighting)


@needs_multicast
async def test_two_nodes_find_each_other(make: Make) -> None:
    alice, bob = make(), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    assert (await next_that(bob, is_alice)).addresses == AT_ALICE.addresses
    assert (await next_that(alice, lambda sighting: recognises(BOB, sighting))).addresses == AT_BOB.addresses
    assert (alice.health(), bob.health()) == ("ok", "ok")


@needs_multicast
async def test_a_node_never_finds_itself(make: Make) -> None:
    alice, bob = make(), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    await next_that(bob, is_alice)
    await alice.stop()
    assert not [sighting async for sighting in alice.found() if recognises(ALICE, sighting)]


@needs_multicast
async def test_who_stops_is_told_as_gone(make: Make) -> None:
    alice, bob = make(), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    seen = await next_that(bob, is_alice)
    await alice.stop()
    gone = await next_that(bob, lambda sighting: sighting.gone and recognises(ALICE, sighting))
    assert (gone.token, gone.addresses) == (seen.token, ())
    assert alice.health() == "mDNS is stopped"


@needs_multicast
async def test_after_a_change_of_network_the_node_carries_a_new_token(make: Make) -> None:
    alice, bob = make(), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    before = await next_that(bob, is_alice)
    await alice.network_changed()
    after = await next_that(bob, is_alice)
    assert after.token != before.token
    assert after.hint != before.hint


@needs_multicast
async def test_an_update_changes_what_others_see(make: Make) -> None:
    alice, bob = make(), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    await next_that(bob, is_alice)
    await alice.update(Announcement(("quic://127.0.0.1:9999",), visible=False, node=ALICE))
    seen = await next_that(bob, lambda sighting: is_alice(sighting) and not sighting.open_to_strangers)
    assert seen.addresses == ("quic://127.0.0.1:9999",)


@needs_multicast
async def test_names_rotate_while_the_node_runs(make: Make) -> None:
    turns = asyncio.Semaphore(0)

    async def sleep(_: float) -> None:
        await turns.acquire()

    alice, bob = make(sleep=sleep), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    before = await next_that(bob, is_alice)
    turns.release()
    assert (await next_that(bob, is_alice)).token != before.token


@needs_multicast
async def test_a_look_finds_whoever_was_missed_when_he_came(make: Make) -> None:
    turns, pauses = asyncio.Semaphore(0), list[float]()

    async def sleep(seconds: float) -> None:
        if seconds == ROTATE_S:
            await asyncio.Event().wait()
        pauses.append(seconds)
        await turns.acquire()

    alice, bob = make(), make(sleep=sleep)
    await alice.start(AT_ALICE)
    assert alice._engine is not None
    async with asyncio.timeout(PATIENCE_S):
        while announcing := [task for task in alice._engine._tasks if task is not alice._engine._looks]:
            await asyncio.wait(announcing)
    await bob.start(AT_BOB)
    assert bob._engine is not None
    assert bob._engine._browser is not None
    bob._engine._browser.query_scheduler.stop()  # what zeroconf asks at its start is lost
    turns.release()
    await next_that(bob, is_alice)
    assert pauses == [LOOK_S, LOOK_S]


@needs_multicast
async def test_the_pause_between_looks_follows_the_pace(make: Make) -> None:
    pauses: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        if seconds != ROTATE_S:
            pauses.put_nowait(seconds)
        await asyncio.Event().wait()

    bob = make(sleep=sleep)
    bob.pace(120_000_000_000)
    await bob.start(AT_BOB)
    async with asyncio.timeout(PATIENCE_S):
        assert await pauses.get() == 120.0
        bob.pace(900_000_000_000)
        assert await pauses.get() == 900.0
        bob.pace(900_000_000_000)  # nothing new: the pause under way goes on
        await bob.network_changed()
        assert await pauses.get() == 900.0
    assert pauses.empty()


@needs_multicast
async def test_rubbish_on_the_network_is_counted_and_hides_nobody(make: Make) -> None:
    bob = make()
    await bob.start(AT_BOB)
    stranger = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        for name, txt in (
            ("Alice's laptop", {"v": "1"}),
            ("abcdefghij", {"v": "9"}),
            ("bcdefghijk", {"v": "1"}),
        ):
            info = AsyncServiceInfo(
                SERVICE_TYPE,
                f"{name}.{SERVICE_TYPE}",
                port=9,
                properties=txt,
                server=f"{name.replace(' ', '')}.local.",
                parsed_addresses=["127.0.0.1"],
            )
            await (await stranger.async_register_service(info, cooperating_responders=True))  # pyright: ignore[reportUnknownMemberType] - a bare Awaitable in its signature
        alice = make()
        await alice.start(AT_ALICE)
        await next_that(bob, is_alice)
    finally:
        await stranger.async_close()
    assert {"bad_name", "unknown_version", "no_address"} <= bob.dropped.keys()


def pointers(names: list[str]) -> DNSOutgoing:
    """A packet that says that these instances exist, and nothing more."""
    packet = DNSOutgoing(0x8400)  # an authoritative answer, RFC 6762 section 18
    for name in names:
        packet.add_answer_at_time(DNSPointer(SERVICE_TYPE, 12, 1, 4_500, f"{name}.{SERVICE_TYPE}"), 0)
    return packet


@needs_multicast
async def test_an_instance_that_says_little_is_asked(make: Make) -> None:
    bob = make()
    await bob.start(AT_BOB)
    terse = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        await terse.zeroconf.async_wait_for_start()
        instance = make_instance(AT_ALICE, bytes(16), ())
        assert instance is not None
        info = AsyncServiceInfo(
            SERVICE_TYPE,
            f"abcdefghij.{SERVICE_TYPE}",
            port=instance.port,
            properties=dict(instance.txt),
            server="klmnopqrst.local.",
            parsed_addresses=list(instance.addresses),
        )
        terse.zeroconf.registry.async_add(info)  # answers, but never announces itself
        terse.zeroconf.async_send(pointers(["abcdefghij"]))
        assert (await next_that(bob, is_alice)).token == bytes(16)
    finally:
        await terse.async_close()


@needs_multicast
async def test_a_flood_of_names_is_bounded_and_hides_nobody(make: Make) -> None:
    alice, bob = make(), make()
    await bob.start(AT_BOB)
    flood = AsyncZeroconf(interfaces=["127.0.0.1"])
    try:
        await flood.zeroconf.async_wait_for_start()
        for hundred in range(10):
            flood.zeroconf.async_send(pointers([f"flood{hundred:03}{one:03}" for one in range(100)]))
        await alice.start(AT_ALICE)
        await next_that(bob, is_alice)
    finally:
        await flood.async_close()
    assert bob.dropped["resolving_too_many"] >= 1_000 - RESOLVING_MAX


async def test_without_an_interface_the_sentence_says_what_is_lost(make: Make) -> None:
    lonely = make(hosts=lambda: ())
    with pytest.raises(LinkError):
        await lonely.start(Announcement(("quic://0.0.0.0:7420",)))
    assert lonely.health() == (
        "mDNS found no network interface that is up; other nodes on this network are not found by themselves"
    )


@needs_multicast
async def test_a_node_that_could_not_start_begins_when_a_network_comes(make: Make) -> None:
    hosts: list[str] = []
    late = make(hosts=lambda: tuple(hosts))
    with pytest.raises(LinkError):
        await late.start(Announcement(("quic://0.0.0.0:7420",), node=ALICE))
    hosts.append("127.0.0.1")
    await late.network_changed()
    bob = make()
    await bob.start(AT_BOB)
    assert (await next_that(bob, is_alice)).addresses == ("quic://127.0.0.1:7420",)


zeroconf_leaks_a_socket = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # when its constructor raises


@zeroconf_leaks_a_socket
async def test_an_address_that_is_not_ours_is_a_link_error(make: Make) -> None:
    wrong = make(hosts=lambda: ("2001:db8::99",))
    with pytest.raises(LinkError):
        await wrong.start(Announcement(("quic://[::]:7420",)))


@needs_multicast
@zeroconf_leaks_a_socket
async def test_where_ipv6_refuses_multicast_ipv4_does_the_work(make: Make) -> None:
    alice, bob = make(hosts=lambda: ("127.0.0.1", "2001:db8::99")), make()
    await alice.start(AT_ALICE)
    await bob.start(AT_BOB)
    await next_that(bob, is_alice)


async def test_rotation_outlives_a_network_that_is_away(make: Make) -> None:
    slept = asyncio.Queue[float]()
    turns = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        slept.put_nowait(seconds)
        await turns.acquire()

    lonely = make(hosts=lambda: (), sleep=sleep)
    with pytest.raises(LinkError):
        await lonely.start(Announcement(("quic://0.0.0.0:7420",)))
    turns.release()
    async with asyncio.timeout(PATIENCE_S):
        assert await slept.get() == await slept.get()


async def test_a_stopped_discovery_stops_again_and_changes_nothing(make: Make) -> None:
    idle = make()
    await idle.stop()
    await idle.network_changed()
    await idle.stop()
    assert idle.health() == "mDNS is stopped"
    assert not [sighting async for sighting in idle.found()]


@needs_multicast
async def test_starting_twice_or_updating_too_early_is_a_bug(make: Make) -> None:
    alice = make()
    with pytest.raises(LocalError):
        await alice.update(AT_ALICE)
    await alice.start(AT_ALICE)
    with pytest.raises(LocalError):
        await alice.start(AT_ALICE)
