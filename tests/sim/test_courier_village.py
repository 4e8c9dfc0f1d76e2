"""Alice and Bob are never there together; Carol walks between them. Whole daemons, in virtual time."""

import asyncio

import pytest

from meshnode.node import Node
from meshnode.services.courier.frames import (
    HAND,
    NOTES,
    SERVICE,
    Hand,
    Handed,
    decode_handed,
    encode_hand,
    encode_notes,
)
from meshnode.services.courier.tables import read_carried
from protocols.courier import decode_sealed, sign_note
from protocols.errors import RefusedError
from sim.host import Host
from sim.journal import Letter, Stray
from sim.stage import Stage, node_of, village


def there(host: Host) -> Node:
    node = node_of(host)
    assert node is not None, f"{host.name} is off"
    return node


async def company(nodes: int, seed: int, **courier: str) -> tuple[Stage, list[Host]]:
    """Who know each other and have met once."""
    node = ", ".join(f"{name} = {value}" for name, value in courier.items())
    settings = {"node": f"{{courier = {{{node}}}}}"}
    stage = await village(nodes=nodes, seed=seed, scenario="crash", settings=settings)
    hosts = stage.hosts
    await stage.until(lambda: all(there(host).courier.view().bundles == nodes - 1 for host in hosts))
    return stage, hosts


async def leaves(stage: Stage, host: Host) -> None:
    host.stop()
    await stage.pass_s(5)


async def boots(stage: Stage, host: Host) -> None:
    host.boot()
    await stage.until(lambda: node_of(host) is not None)


async def entrusted(stage: Stage, alice: Host, bob: Host, *couriers: Host) -> Letter:
    """Bob has left; Alice writes to him, the couriers take it, Alice leaves."""
    bob.stop()
    await stage.pass_s(60)
    letter = alice.send(bob)
    await stage.until(lambda: all(there(host).courier.view().objects == 1 for host in couriers))
    await leaves(stage, alice)
    return letter


async def state_of(host: Host) -> str:
    (message,) = await there(host).messages.messages()
    return message.state


async def sealed_at(courier: Host) -> bytes:
    """The object that it carries."""
    desk = there(courier).courier._desk
    (custody,) = desk.carrier.shelf
    found = await desk.store.read(lambda connection: read_carried(connection, custody.id))
    assert found is not None
    return found


async def hand(courier: Host, to: Host, sealed: bytes) -> Handed:
    """Whatever it carries: as a courier that follows no rule."""
    body = encode_hand(Hand(1, None, sealed))
    return decode_handed(await there(courier).driver.hub.call(to.node_id, SERVICE, HAND, body))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_alice_wrote_reaches_bob_though_they_are_never_there_together(seed: int) -> None:
    stage, (alice, bob, carol) = await company(3, seed)
    letter = await entrusted(stage, alice, bob, carol)
    await boots(stage, bob)
    await stage.until(lambda: there(carol).courier.view().objects == 0)
    bob.stop()
    await boots(stage, alice)
    await stage.until(lambda: there(alice).courier.view().own == 0)
    assert await state_of(alice) == "delivered"
    assert len(letter.arrivals) == 1


class CrashesAtOnce:
    """Its power goes as soon as it has read a letter."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def accepted(self, letter: Letter) -> None: ...

    def arrived(self, letter: Letter) -> None:
        if letter.receiver == self._host.name and len(letter.arrivals) == 1:
            self._host.village.timeline.at(self._host.village.timeline.now_ns, "crash", self._host.crash)

    def strayed(self, stray: Stray) -> None: ...

    def told(self, host: str, event: str, message_id: str) -> None: ...


async def test_who_leaves_before_he_could_say_that_he_has_it_says_so_when_he_is_back() -> None:
    stage, (alice, bob, carol) = await company(3, 1)
    letter = await entrusted(stage, alice, bob, carol)
    stage.village.journal.witnesses.append(CrashesAtOnce(bob))
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)
    assert there(carol).courier.view().objects == 1
    stage.village.journal.witnesses.clear()
    await stage.pass_s(60)
    await boots(stage, bob)
    await stage.until(lambda: there(carol).courier.view().objects == 0)
    assert len(letter.arrivals) == 1


async def test_its_writer_sees_that_it_is_carried() -> None:
    stage, (alice, bob, *couriers) = await company(5, 4)
    bob.stop()
    await stage.pass_s(60)
    events = there(alice).events.follow()
    alice.send(bob)

    def told() -> list[object]:
        return [event.fields["couriers"] for event in events._queue if event.kind == "message_carried"]

    await stage.until(lambda: all(there(host).courier.view().objects == 1 for host in couriers))
    assert told() in ([1, 2, 3], [1, 2], [1])  # it tells of those whom it gave it to; others got it from them
    (message,) = await there(alice).messages.messages()
    assert (message.state, message.couriers) == ("queued", 3)
    events.close()


async def test_nothing_is_sealed_while_the_receiver_may_come_back_in_a_moment() -> None:
    stage, (alice, bob, carol) = await company(3, 5)
    bob.stop()
    await stage.until(lambda: not there(alice).driver.is_connected(bob.node_id))
    letter = alice.send(bob)
    await stage.pass_s(15)
    assert there(alice).courier.view().own == 0
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)
    assert there(carol).courier.view().counts.get("taken", 0) == 0


async def test_it_arrives_once_though_the_direct_way_opens_while_it_is_carried() -> None:
    stage, (alice, bob, carol) = await company(3, 6)
    letter = await entrusted(stage, alice, bob, carol)
    await leaves(stage, carol)
    await boots(stage, alice)
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)
    await stage.until(lambda: there(alice).courier.view().own == 0)
    await boots(stage, carol)
    await stage.until(lambda: there(carol).courier.view().objects == 0)
    await stage.pass_s(60)
    assert len(letter.arrivals) == 1
    assert await state_of(alice) == "delivered"


@pytest.mark.parametrize("power", [False, True])
async def test_what_a_courier_took_outlives_it(*, power: bool) -> None:
    stage, (alice, bob, carol) = await company(3, 7)
    letter = await entrusted(stage, alice, bob, carol)
    carol.crash(power=power)
    await boots(stage, carol)
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)
    await stage.pass_s(30)
    assert len(letter.arrivals) == 1


@pytest.mark.parametrize("after_ms", range(0, 400, 25))
async def test_a_courier_that_is_killed_at_any_moment_of_taking_it_does_no_harm(after_ms: int) -> None:
    stage, (alice, bob, carol) = await company(3, 8)
    bob.stop()
    await stage.pass_s(60)
    letter = alice.send(bob)
    await stage.pass_s(after_ms / 1_000)
    carol.crash(power=True)
    await boots(stage, carol)
    await stage.until(lambda: there(carol).courier.view().objects == 1)
    alice.crash(power=True)
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)
    await boots(stage, alice)
    await stage.until(lambda: there(alice).courier.view().own == 0)
    await stage.pass_s(10)
    assert len(letter.arrivals) == 1
    assert await state_of(alice) == "delivered"


async def test_a_sender_that_is_killed_seals_nothing_twice() -> None:
    stage, (alice, bob, carol) = await company(3, 9)
    bob.stop()
    await stage.pass_s(60)
    alice.send(bob)
    await stage.until(lambda: there(carol).courier.view().objects == 1)
    alice.crash()
    await boots(stage, alice)
    await stage.pass_s(120)
    assert there(alice).courier.view().own == 1
    assert there(carol).courier.view().objects == 1
    (message,) = await there(alice).messages.messages()
    assert message.couriers == 1


async def test_a_courier_that_loses_what_it_took_costs_only_its_chance() -> None:
    stage, (alice, bob, carol) = await company(3, 10)
    letter = await entrusted(stage, alice, bob, carol)
    carol.stop()
    carol.wanted = False
    await boots(stage, alice)
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)
    assert len(letter.arrivals) == 1


async def test_what_is_handed_over_twice_and_again_arrives_once() -> None:
    stage, (alice, bob, carol) = await company(3, 11)
    letter = await entrusted(stage, alice, bob, carol)
    sealed = await sealed_at(carol)
    await boots(stage, bob)
    await stage.until(lambda: there(carol).driver.is_connected(bob.node_id))
    twice = await asyncio.gather(hand(carol, bob, sealed), hand(carol, bob, sealed))
    bob.crash()
    await stage.until(lambda: not there(carol).driver.is_connected(bob.node_id))
    await boots(stage, bob)
    await stage.until(lambda: there(carol).driver.is_connected(bob.node_id))
    again = await hand(carol, bob, sealed)
    assert {each.outcome for each in (*twice, again)} == {"delivered"}
    await stage.pass_s(60)
    assert len(letter.arrivals) == 1


async def test_what_was_changed_on_the_way_is_refused_and_the_true_one_still_arrives() -> None:
    stage, (alice, bob, carol) = await company(3, 12)
    letter = await entrusted(stage, alice, bob, carol)
    sealed = await sealed_at(carol)
    there(carol).courier._desk.carrier.drop(decode_sealed(sealed).id)  # it would bring the true one at once
    await boots(stage, bob)
    await stage.until(lambda: there(carol).driver.is_connected(bob.node_id))
    for place in (41, 60, 200, len(sealed) - 1):
        forged = bytearray(sealed)
        forged[place] ^= 1
        with pytest.raises(RefusedError):
            await hand(carol, bob, bytes(forged))
    assert not letter.arrivals
    assert there(bob).courier.view().counts["bad_seal"] == 4
    assert (await hand(carol, bob, sealed)).outcome == "delivered"
    await stage.until(lambda: letter.arrivals)


async def test_a_courier_can_not_say_for_the_receiver_that_it_arrived() -> None:
    stage, (alice, bob, carol) = await company(3, 13)
    bob.stop()
    await stage.pass_s(60)
    letter = alice.send(bob)
    await stage.until(lambda: there(carol).courier.view().objects == 1)
    sealed = decode_sealed(await sealed_at(carol))
    lie = sign_note(carol.identity, sealed.id, sealed.expires_s)
    await there(carol).driver.hub.call(alice.node_id, SERVICE, NOTES, encode_notes([lie.data]))
    assert await state_of(alice) == "queued"
    assert there(alice).courier.view().counts["foreign_notes"] == 1
    await boots(stage, bob)
    await stage.until(lambda: letter.arrivals)


async def test_couriers_stop_when_they_hear_that_it_arrived() -> None:
    stage, (alice, bob, carol, dave) = await company(4, 14)
    letter = await entrusted(stage, alice, bob, carol, dave)
    dave.stop()
    await boots(stage, bob)
    await stage.until(lambda: there(carol).courier.view().objects == 0)
    bob.stop()
    await boots(stage, dave)
    await stage.until(lambda: there(dave).courier.view().objects == 0)
    assert there(dave).courier.view().counts["stopped_carrying"] == 1
    assert len(letter.arrivals) == 1


async def test_a_node_that_carries_for_nobody_still_gets_what_is_for_itself() -> None:
    stage, (alice, bob, carol) = await company(3, 15, carry='"nobody"')
    bob.stop()
    await stage.pass_s(60)
    letter = alice.send(bob)
    await stage.until(lambda: there(alice).courier.view().own == 1)
    await stage.pass_s(60)
    assert there(carol).courier.view().objects == 0
    desk = there(alice).courier._desk
    (custody,) = desk.carrier.shelf
    sealed = await desk.store.read(lambda connection: read_carried(connection, custody.id))
    assert sealed is not None
    alice.stop()
    await boots(stage, bob)
    await stage.until(lambda: there(carol).driver.is_connected(bob.node_id))
    assert (await hand(carol, bob, sealed)).outcome == "delivered"
    await stage.until(lambda: letter.arrivals)


async def test_what_was_sealed_to_an_older_prekey_is_still_opened() -> None:
    stage, (alice, bob, carol) = await company(3, 16)
    letter = await entrusted(stage, alice, bob, carol)
    carol.sleep()
    await boots(stage, bob)
    for _ in range(3):
        await there(bob).courier.rotate_prekeys()
    carol.wake()
    await stage.until(lambda: letter.arrivals)
    assert there(bob).courier.view().counts["opened"] == 1


async def test_many_messages_travel_in_few_objects_and_in_order() -> None:
    stage, (alice, bob, carol) = await company(3, 17)
    bob.stop()
    await stage.pass_s(60)
    node = there(alice)
    for number in range(100):
        await node.messages.send(bob.node_id, f"number {number}")
    await stage.until(lambda: there(carol).courier.view().objects > 0)
    await stage.pass_s(30)
    assert there(carol).courier.view().objects == 2
    alice.stop()
    await boots(stage, bob)
    await stage.until(lambda: there(carol).courier.view().objects == 0)
    texts = [message.text for message in await there(bob).messages.messages(limit=200)]
    assert sorted(texts) == sorted(f"number {number}" for number in range(100))
