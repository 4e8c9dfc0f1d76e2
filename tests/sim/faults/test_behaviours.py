import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from protocols.keys import Identity, Suite
from sim.builder import Settlement
from sim.dice import Dice
from sim.faults import Faults, Plan
from sim.faults.behaviours import AT_FRAMES, BEHAVIOURS, Spot
from sim.faults.behaviours.frames import Corrupt, Delay, Drop, Flood, Replay
from sim.faults.behaviours.handshake_flood import LINKS_MAX, HandshakeFlood, _own_record
from sim.faults.behaviours.impersonate import Impersonate
from sim.faults.behaviours.intruder import Intruder
from sim.faults.plan import Byzantine, Middle
from sim.media import Medium, MediumKind, Port
from sim.models.wire import Conditions, SimLink
from sim.oracles import Oracles
from sim.oracles.sizes import sizes_of
from sim.timeline import NS_PER_MS, NS_PER_S, Timeline
from sim.village import Village
from transports.api import Link, LinkTraits

S = NS_PER_S


class Ear:
    def __init__(self, link: SimLink) -> None:
        self.link, self.frames, self.lost = link, list[bytes](), list[str]()
        link.attach(self)

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        self.frames += frames

    def link_writable(self, link: Link) -> None: ...

    def link_lost(self, link: Link, reason: str) -> None:
        self.lost.append(reason)


class Pair:
    """Two links from n0, to n1 and n2, in a village whose own processes never started."""

    def __init__(self, village: Village) -> None:
        self.village, self.timeline = village, village.timeline
        self.medium = village.media["ip"]
        self.ears: dict[str, Ear] = {}
        self.ports = {name: Port(self.medium, name, self._arrived) for name in ("n0", "n1", "n2")}
        for port in self.ports.values():
            self.medium.open(port)
        self.ends: list[Ear] = []
        for name in ("n1", "n2"):
            self.medium.dial(self.ports["n0"], self.medium.address(name), self._opened)
        self.run(1)

    def _arrived(self, link: SimLink) -> None:
        self.ears[link.way.sender] = Ear(link)

    def _opened(self, link: SimLink | None, reason: str) -> None:
        assert link is not None, reason
        self.ends.append(Ear(link))

    def run(self, seconds: float) -> None:
        self.timeline.run(self.timeline.now_ns + int(seconds * S))

    def spot(self, share: float = 1.0, receiver: str = "") -> Spot:
        return Spot(self.village, self.village.hosts["n0"], receiver, share)

    def say(self, count: int, to: int = 0) -> list[bytes]:
        said = [number.to_bytes(20, "big") for number in range(count)]
        for frame in said:
            self.ends[to].link.send([frame], reliable=True)
        return said


@pytest.fixture
def pair(settlement: Callable[..., Settlement]) -> Pair:
    timeline = Timeline()
    village = settlement(nodes=3).village
    quiet = MediumKind(
        "ip", LinkTraits("quic", 1_200, has_reliable_lane=True), Conditions(10 * NS_PER_MS), everywhere=True
    )
    village.timeline = timeline
    village.media["ip"] = Medium(quiet, timeline, Dice(7))
    return Pair(village)


# -- with frames ----------------------------------------------------------------------------------------------


def test_drop_loses_its_share_and_tells_nobody(pair: Pair) -> None:
    drop = Drop(pair.spot(0.3))
    drop.start()
    said = pair.say(1_000)
    pair.run(1)
    heard = list(pair.ears["n1"].frames)
    assert 650 < len(heard) < 750
    assert heard == [frame for frame in said if frame in set(heard)]
    assert pair.ends[0].link.stats.dropped == {}
    drop.stop()
    pair.say(10)
    pair.run(1)
    assert pair.ears["n1"].frames[len(heard) :] == said[:10]


def test_replay_repeats_old_frames_here_and_on_other_links(pair: Pair) -> None:
    Replay(pair.spot(0.5)).start()
    said = pair.say(200)
    pair.run(1)
    here, there = Counter(pair.ears["n1"].frames), pair.ears["n2"].frames
    assert all(here[frame] >= 1 for frame in said)
    assert here.total() > 220
    assert len(there) > 20
    assert all(frame in here for frame in there)


def test_replay_uses_what_it_hears_from_others(pair: Pair) -> None:
    Replay(pair.spot()).start()
    pair.ears["n2"].link.send([b"a secret of n2"], reliable=True)
    pair.run(1)
    pair.say(200)
    pair.run(1)
    assert b"a secret of n2" in pair.ears["n1"].frames


def test_corrupt_damages_its_share_in_several_ways(pair: Pair) -> None:
    Corrupt(pair.spot(0.5)).start()
    said = pair.say(400)
    pair.run(1)
    heard = pair.ears["n1"].frames
    damaged = [frame for frame in heard if frame not in set(said)]
    assert len(heard) == 400
    assert 120 < len(damaged) < 280  # a splice of two that are alike is no damage
    assert {len(frame) < 20 for frame in damaged} == {len(frame) > 20 for frame in damaged} == {True, False}


def test_a_damaged_datagram_still_fits_its_lane(pair: Pair) -> None:
    Corrupt(pair.spot()).start()
    for _ in range(100):
        pair.ends[0].link.send([bytes(1_200)])
    pair.run(1)
    assert max(len(frame) for frame in pair.ears["n1"].frames) == 1_200


def test_delay_holds_back_then_sends_all_at_once_in_another_order(pair: Pair) -> None:
    Delay(pair.spot()).start()
    said = pair.say(30)
    pair.run(1.9)
    assert pair.ears["n1"].frames == []
    pair.run(0.2)
    assert sorted(pair.ears["n1"].frames) == said
    assert pair.ears["n1"].frames != said


def test_delay_holds_no_more_than_its_limit_and_nothing_once_it_is_over(pair: Pair) -> None:
    delay = Delay(pair.spot())
    delay.start()
    said = pair.say(100)
    pair.run(0.1)
    assert len(pair.ears["n1"].frames) == 64
    delay.stop()
    pair.run(0.1)
    assert sorted(pair.ears["n1"].frames) == said


def test_flood_sends_waves_on_all_links_until_it_is_over(pair: Pair) -> None:
    flood = Flood(pair.spot())
    flood.start()
    said = pair.say(5)
    pair.run(2)
    assert len(pair.ears["n1"].frames) > 100
    assert len(pair.ears["n2"].frames) > 100
    assert [frame for frame in pair.ears["n1"].frames if frame in said] == said
    flood.stop()
    pair.run(1)
    before = len(pair.ears["n1"].frames)
    pair.run(5)
    assert len(pair.ears["n1"].frames) == before


def test_flood_sends_frames_that_are_too_long_now_and_then(pair: Pair) -> None:
    Flood(pair.spot()).start()
    pair.run(30)
    assert pair.ears["n1"].lost == ["oversize_frame"]


def test_somebody_in_the_middle_works_on_one_way_only(pair: Pair) -> None:
    Drop(pair.spot(receiver="n1")).start()
    pair.say(5, to=0)
    said = pair.say(5, to=1)
    pair.run(1)
    assert pair.ears["n1"].frames == []
    assert pair.ears["n2"].frames == said


# -- by intruders ---------------------------------------------------------------------------------------------


def test_a_handshake_flood_opens_many_links_that_come_to_nothing(village: Callable[..., Village]) -> None:
    here = village(nodes=5)
    here.timeline.run(5 * S)
    flood = HandshakeFlood(Spot(here, here.hosts["n0"]))
    flood.start()
    most = 0
    for second in range(6, 40):
        here.timeline.run(second * S)
        most = max(most, here.media["ip"].links())
        assert all(size.held <= size.most for host in here.hosts.values() for size in sizes_of(host))
    assert 60 < most < LINKS_MAX + 20
    flood.stop()
    letter = here.hosts["n1"].send(here.hosts["n2"])
    here.timeline.run(60 * S)
    assert letter.arrivals
    assert here.media["ip"].links() < 20


def test_an_impersonator_gets_calls_and_no_letters(village: Callable[..., Village]) -> None:
    here = village(nodes=3)
    impersonate = Impersonate(Spot(here, here.hosts["n0"]))
    victim = impersonate._victim
    (other,) = (host for host in here.hosts.values() if host is not victim and host.name != "n0")
    impersonate.start()
    letters = [other.send(victim)]
    here.timeline.run(20 * S)
    assert impersonate._intruder._made > 0
    assert here.journal.strays == []
    impersonate.stop()
    letters.append(victim.send(other))
    here.timeline.run(120 * S)
    assert [len(letter.arrivals) for letter in letters] == [1, 1]


def test_whoever_had_the_victims_key_would_be_told_and_the_oracle_would_say_so(
    village: Callable[..., Village], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = village(nodes=2)
    other, victim = here.hosts["n0"], here.hosts["n1"]
    Oracles(here).start()
    here.timeline.run(3 * S)
    victim.stop()

    def stolen(seed: bytes, suite: Suite) -> Identity:
        return victim.identity

    monkeypatch.setattr("sim.faults.behaviours.intruder.Identity.from_seed", stolen)
    intruder = Intruder(Spot(here, other), "n9~n1", _own_record)
    intruder.start()
    port = Port(here.media["ip"], "n9~n1", intruder.adopt, host="n9")
    here.media["ip"].divert("n1", port, 1.0)
    other.send(victim)
    here.timeline.run(90 * S)
    assert ("no_forgery", "n9~n1") in {(breach.oracle, breach.who) for breach in here.breaches}
    intruder.stop()


def test_nobody_is_there_to_be_impersonated_by_a_hermit(village: Callable[..., Village]) -> None:
    here = village(nodes=1)
    impersonate = Impersonate(Spot(here, here.hosts["n0"]))
    impersonate.start()
    here.timeline.run(5 * S)
    impersonate.stop()


# -- in a village ---------------------------------------------------------------------------------------------


def faults_of(here: Village, name: str) -> Faults:
    faults: list[Byzantine | Middle] = [
        Byzantine(at_ms=0, host="n0", behaviour=name),
        Byzantine(at_ms=0, host="n1", behaviour=name, share=0.3),
    ]
    if name in AT_FRAMES:
        faults.append(Middle(at_ms=0, sender="n2", receiver="n3", behaviour=name, for_ms=20_000, share=0.2))
    made = Faults(here, Plan(tuple(faults)), start_ns=here.timeline.now_ns)
    made.place()
    return made


def write_all(here: Village) -> None:
    for one in here.hosts.values():
        for other in one.acquaintances:
            one.send(other)


@pytest.mark.parametrize("medium", ["ip", "lan"])
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_cores_stand_every_behaviour(village: Callable[..., Village], name: str, medium: str) -> None:
    here = village(nodes=5, medium=medium)
    here.timeline.run(5 * S)
    faults = faults_of(here, name)
    oracles = Oracles(here, (), faults)
    oracles.start()
    for second in range(10, 40, 10):
        write_all(here)
        here.timeline.run(second * S)
    faults.heal()
    here.timeline.run(140 * S)
    oracles.finish()
    assert here.breaches == []
    assert all(letter.arrivals for letter in here.journal)
    assert len(here.media[medium].ways) <= 5 * 4


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_daemons_stand_every_behaviour(live: Callable[..., Village], name: str) -> None:
    async def story(here: Village) -> None:
        faults = faults_of(here, name)
        oracles = Oracles(here, (), faults)
        oracles.start()
        for _ in range(3):
            write_all(here)
            await asyncio.sleep(7)
        faults.heal()
        await asyncio.sleep(100)
        await oracles.ask()
        oracles.finish()
        assert all(letter.arrivals for letter in here.journal)

    assert live(story, nodes=4, medium="lan").breaches == []


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_same_seed_misbehaves_alike(village: Callable[..., Village], name: str) -> None:
    digests: list[str] = []
    for seed in (7, 7, 8):
        here = village(nodes=4, seed=seed)
        faults_of(here, name)
        write_all(here)
        here.timeline.run(15 * S)
        digests.append(here.timeline.digest())
    assert [one == other for one, other in pairwise(digests)] == [True, False]
