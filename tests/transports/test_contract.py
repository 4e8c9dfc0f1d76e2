"""What every transport promises, in one set of tests for all of them (rule 13)."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import pytest

from protocols.errors import LocalError
from transports.api import FRAME_BYTES_MAX, Link, LinkError, Transport
from transports.recorder import Recorder


class Pair(Protocol):
    dialler: Transport
    listener: Transport
    near: Link
    far: Link
    address: str
    near_owner: Recorder
    far_owner: Recorder

    def attach(self) -> None: ...


Three = tuple[Transport, Transport, str]


async def test_both_ends_of_a_link_know_the_same_binding(pair: Pair) -> None:
    assert len(pair.near.binding) == 32
    assert pair.near.binding == pair.far.binding
    assert (pair.near.dialled, pair.far.dialled) == (True, False)


async def test_addresses_are_of_the_transports_scheme(pair: Pair) -> None:
    scheme = pair.near.traits.transport
    assert pair.dialler.name == scheme
    assert pair.near.address == pair.address
    assert pair.far.address.startswith(f"{scheme}://")


@pytest.mark.parametrize("reliable", [True, False])
async def test_frames_arrive_both_ways_on_either_lane(pair: Pair, *, reliable: bool) -> None:
    pair.attach()
    pair.near.send([b"one", b"two"], reliable=reliable)
    pair.far.send([b"three"], reliable=reliable)
    assert await pair.far_owner.until_frames(2) == [b"one", b"two"]
    assert await pair.near_owner.until_frames(1) == [b"three"]


async def test_the_listening_end_may_speak_first(pair: Pair) -> None:
    pair.attach()
    pair.far.send([b"welcome"], reliable=True)
    assert await pair.near_owner.until_frames(1) == [b"welcome"]


async def test_the_reliable_lane_keeps_order_over_all_sizes(pair: Pair) -> None:
    pair.attach()
    frames = [bytes([size % 251]) * size for size in (1, 4096, 4097, FRAME_BYTES_MAX, 2, 1400, 30_000)]
    for frame in frames[:3]:
        pair.near.send([frame], reliable=True)
    pair.near.send(frames[3:], reliable=True)
    assert await pair.far_owner.until_frames(len(frames)) == frames


async def test_the_largest_datagram_arrives(pair: Pair) -> None:
    pair.attach()
    largest = bytes(pair.far.traits.datagram_bytes_max)
    pair.far.send([largest])
    assert await pair.near_owner.until_frames(1) == [largest]


async def test_a_frame_above_the_limit_is_our_own_fault(pair: Pair) -> None:
    for frames, reliable in (
        ([bytes(FRAME_BYTES_MAX + 1)], True),
        ([b""], True),
        ([b""], False),
        ([bytes(65_000)], False),
    ):
        with pytest.raises(LocalError):
            pair.near.send(frames, reliable=reliable)


async def test_what_came_before_the_owner_is_handed_over_in_order(pair: Pair) -> None:
    pair.near.attach(pair.near_owner)
    pair.near.send([b"first", b"second"], reliable=True)
    echo = Echo()
    pair.near.send([b"third"], reliable=True)
    pair.far.attach(echo)
    assert await pair.near_owner.until_frames(3) == [b"first", b"second", b"third"]


async def test_a_full_link_says_so_and_says_when_it_has_room_again(pair: Pair) -> None:
    pair.attach()
    frame = bytes(range(256)) * 256
    sent = 0
    while pair.near.unsent_bytes <= pair.near.unsent_bytes_max:
        pair.near.send([frame], reliable=True)
        sent += 1
    pair.near.send([frame], reliable=True)  # one more is always taken
    await pair.near_owner.until_writable(pair.near)
    frames = await pair.far_owner.until_frames(sent + 1)
    assert frames == [frame] * (sent + 1)
    assert pair.near_owner.writables == 1


async def test_an_owner_who_never_waits_is_stopped(pair: Pair) -> None:
    frames = [bytes(FRAME_BYTES_MAX)] * 16
    for _ in range(8):  # eight times a megabyte and a little more
        pair.near.send(frames, reliable=True)
    with pytest.raises(LocalError, match="unsent_bytes"):
        pair.near.send(frames, reliable=True)


async def test_datagrams_beyond_the_queue_are_dropped_and_counted(pair: Pair) -> None:
    pair.attach()
    pair.near.send([bytes([n % 256]) for n in range(300)])
    assert pair.near.stats.dropped == {"datagram_queue_full": 44}
    frames = await pair.far_owner.until_frames(256)
    assert frames[0] == bytes([44])  # the oldest went


async def test_closing_tells_the_other_end_and_ourselves_once(pair: Pair) -> None:
    pair.attach()
    await pair.near.close("goodbye")
    assert await pair.near_owner.until_lost() == "goodbye"
    assert await pair.far_owner.until_lost() == "peer_closed"
    await pair.near.close()
    pair.near.send([b"too late"], reliable=True)
    pair.far.send([b"too late"])
    await asyncio.gather(pair.dialler.close(), pair.listener.close())
    assert (pair.near_owner.losses, pair.far_owner.losses) == (1, 1)


async def test_a_link_lost_before_it_had_an_owner_is_reported_to_him(pair: Pair) -> None:
    await pair.near.close()
    pair.near.attach(pair.near_owner)
    assert await pair.near_owner.until_lost() == "closed"
    assert pair.near_owner.losses == 1


async def test_what_was_sent_before_closing_still_arrives(pair: Pair) -> None:
    pair.attach()
    pair.near.send([b"last words"], reliable=True)
    await pair.near.close()
    assert await pair.far_owner.until_frames(1) == [b"last words"]


async def test_closing_a_transport_ends_its_links_and_its_accepting(pair: Pair, hang_s: float) -> None:
    pair.attach()
    arrivals = asyncio.ensure_future(anext(pair.listener.accept(), None))
    await pair.listener.close()
    await pair.listener.close()
    assert await pair.far_owner.until_lost() == "transport_closed"
    assert await pair.near_owner.until_lost() == "peer_closed"
    async with asyncio.timeout(hang_s):
        assert await arrivals is None
    with pytest.raises(LinkError):
        await pair.dialler.dial(pair.address)


async def test_the_owner_is_never_called_within_his_own_call(pair: Pair) -> None:
    near, far = Echo(limit=50), Echo(limit=50)
    pair.near.attach(near)
    pair.far.attach(far)
    pair.near.send([b"ball"], reliable=True)
    async with asyncio.timeout(20):
        await far.done.wait()  # who hears first is through first
    assert not near.nested
    assert not far.nested


async def test_counters_follow_the_traffic(pair: Pair) -> None:
    pair.attach()
    pair.near.send([bytes(1000)], reliable=True)
    await pair.far_owner.until_frames(1)
    assert pair.near.stats.bytes_out >= 1000
    assert pair.far.stats.bytes_in >= 1000
    assert pair.far.stats.datagrams_in >= 1


async def test_nobody_at_the_address_is_a_link_error(transports: Three) -> None:
    dialler, listener, address = transports
    [bound] = await listener.listen(address)
    await listener.close()
    with pytest.raises(LinkError, match="nobody answers"):
        await dialler.dial(bound)


async def test_a_taken_address_is_a_link_error(transports: Three) -> None:
    dialler, listener, address = transports
    [bound] = await listener.listen(address)
    with pytest.raises(LinkError, match="taken"):
        await dialler.listen(bound)


async def test_a_closed_transport_dials_nobody(transports: Three) -> None:
    dialler, listener, address = transports
    [bound] = await listener.listen(address)
    await dialler.close()
    with pytest.raises(LinkError, match="shutting down"):
        await dialler.dial(bound)


async def test_many_links_between_the_same_two_do_not_mix(transports: Three) -> None:
    dialler, listener, address = transports
    [bound] = await listener.listen(address)
    arrivals = listener.accept()
    owners: list[Recorder] = []
    for number in range(4):
        near, far = await dialler.dial(bound), await anext(arrivals)
        owners.append(Recorder())
        far.attach(owners[-1])
        near.send([bytes([number])], reliable=True)
    for number, owner in enumerate(owners):
        assert await owner.until_frames(1) == [bytes([number])]


class Echo:
    """Sends back whatever comes, from within the call, until `limit`."""

    def __init__(self, limit: int = 1_000) -> None:
        self.limit, self.heard = limit, 0
        self.inside = self.nested = False
        self.done = asyncio.Event()

    def link_received(self, link: Link, frames: Sequence[bytes]) -> None:
        self.nested = self.nested or self.inside
        self.inside = True
        self.heard += len(frames)
        if self.heard <= self.limit:
            link.send(frames, reliable=True)
        else:
            self.done.set()
        self.inside = False

    def link_writable(self, link: Link) -> None: ...

    def link_lost(self, link: Link, reason: str) -> None: ...
