"""Many carriers over made-up working days of people in groups, against the simulator's baselines on the same letters."""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest

from protocols.courier import Carrier, CarryLimits, Custody, DeliveredNote, Meetings, Offer, Sealed
from protocols.ids import NodeId
from sim.baselines import run_baseline
from sim.dice import Dice
from sim.models.movement import ContactTrace, WorkingDays, working_days

NS_PER_S = 1_000_000_000
EPOCH_S = 1_800_000_000
LIFE_S = 86_400
SIZE = 800
LETTERS = 150


def id_of(number: int) -> NodeId:
    return NodeId(hashlib.sha256(b"person %d" % number).digest())


@dataclass
class Person:
    id: NodeId
    carrier: Carrier
    near: "dict[int, Person]" = field(default_factory=dict[int, "Person"])


class Town:
    """Everybody within hearing talks at once, as the service does: notes, arrivals, offers."""

    def __init__(self, nodes: int, limits: CarryLimits) -> None:
        self.people = [
            Person(id_of(number), Carrier(id_of(number), limits, Meetings(limits.met_max)))
            for number in range(nodes)
        ]
        self.now_s = EPOCH_S
        self.sends = 0
        self.delivered: dict[bytes, None] = {}

    def write(self, number: int, one: int, other: int) -> None:
        sealed_id = hashlib.sha256(b"letter %d" % number).digest()[:16]
        sealed = Sealed(1, id_of(other), self.now_s + LIFE_S, sealed_id, bytes(SIZE))
        writer = self.people[one]
        custody = writer.carrier.entrust(sealed, now_s=self.now_s)
        if other in writer.near:
            self.bring(writer, writer.near[other], custody)
        else:
            self.settle(writer)

    def meet(self, one: int, other: int) -> None:
        for person, number in ((self.people[one], other), (self.people[other], one)):
            person.near[number] = self.people[number]
            person.carrier.up(id_of(number), now_s=self.now_s)
            person.carrier.sweep(now_s=self.now_s)
        for person, friend in (
            (self.people[one], self.people[other]),
            (self.people[other], self.people[one]),
        ):
            for custody in list(person.carrier.shelf):
                if custody.is_own and custody.receiver == friend.id:  # the messages service brings it
                    self.bring(person, friend, custody)
        self.settle(self.people[one])
        self.settle(self.people[other])

    def part(self, one: int, other: int) -> None:
        for person, number in ((self.people[one], other), (self.people[other], one)):
            del person.near[number]
            person.carrier.down(id_of(number), now_s=self.now_s)

    def settle(self, start: Person) -> None:
        """Whoever got something new tells those around."""
        row = deque([start])
        while row:
            person = row.popleft()
            row += [friend for friend in list(person.near.values()) if self.talk(person, friend)]

    def talk(self, person: Person, friend: Person) -> bool:
        """Whether the friend has something new by it."""
        now_ns = self.now_s * NS_PER_S
        news = False
        for note in person.carrier.untold(friend.id):
            news |= self.hear(friend, note, person.id)
        for custody in person.carrier.arrivals(friend.id, now_s=self.now_s, now_ns=now_ns):
            person.carrier.offered(friend.id, custody.id, now_ns=now_ns)
            self.bring(person, friend, custody)
            news = True
        for custody in person.carrier.offers(friend.id, now_s=self.now_s, now_ns=now_ns):
            person.carrier.offered(friend.id, custody.id, now_ns=now_ns)
            news |= self.offer(person, friend, custody)
        return news

    def offer(self, person: Person, friend: Person, custody: Custody) -> bool:
        offer = Offer(custody.id, custody.receiver, custody.size, custody.expires_s)
        reply = friend.carrier.consider(person.id, offer, contact=True, now_s=self.now_s)
        note = friend.carrier.note_of(custody.id)
        if reply.word == "delivered" and note is not None:
            return self.hear(person, note, friend.id)
        giving = person.carrier.answered(friend.id, custody.id, reply, now_s=self.now_s)
        if giving is None:
            return False
        self.sends += 1
        friend.carrier.take(
            person.id,
            Sealed(1, custody.receiver, custody.expires_s, custody.id, bytes(SIZE)),
            copies=giving.copies,
            mark_age_s=None if giving.mark_s is None else self.now_s - giving.mark_s,
            contact=True,
            now_s=self.now_s,
        )
        person.carrier.taken(friend.id, custody.id)
        return True

    def bring(self, person: Person, receiver: Person, custody: Custody) -> None:
        self.sends += custody.id not in self.delivered  # else the offer of it is answered by the note
        self.delivered[custody.id] = None
        note = DeliveredNote(receiver.id, custody.id, custody.expires_s, b"note")
        self.hear(receiver, note, None)
        self.hear(person, note, receiver.id)
        self.settle(receiver)

    def hear(self, person: Person, note: DeliveredNote, teller: NodeId | None) -> bool:
        news = person.carrier.arrived(note, now_s=self.now_s, teller=teller)
        person.carrier.drop(note.id)
        return news


def carry(trace: ContactTrace, dice: Dice, letters: int = LETTERS, limits: CarryLimits | None = None) -> Town:
    town = Town(trace.nodes, limits or CarryLimits())
    die = dice.die("baseline/messages")
    latest_ns = max(1, (trace.span_s - LIFE_S) * NS_PER_S)
    row = deque(sorted(written(die, number, trace.nodes, latest_ns) for number in range(letters)))
    for change in trace.changes():
        while row and row[0][0] <= change.at_ns:
            at_ns, number, one, other = row.popleft()
            town.now_s = EPOCH_S + at_ns // NS_PER_S
            town.write(number, one, other)
        town.now_s = EPOCH_S + change.at_ns // NS_PER_S
        (town.meet if change.up else town.part)(change.a, change.b)
    return town


def written(die: Random, number: int, nodes: int, latest_ns: int) -> tuple[int, int, int, int]:
    """As the baselines draw them: (when, number, writer, receiver)."""
    one, other = die.sample(range(nodes), 2)
    return die.randrange(latest_ns), number, one, other


@pytest.mark.parametrize("seed", [1])
def test_far_more_arrives_than_with_spray_and_wait_at_the_same_price(seed: int) -> None:
    trace = working_days(Random(f"{seed}/trace"), WorkingDays())
    ours = carry(trace, Dice(seed))
    spray, epidemic = (
        run_baseline(name, trace, messages=LETTERS, loss=0.0, dice=Dice(seed))
        for name in ("spray-8", "epidemic")
    )
    assert len(ours.delivered) >= 1.25 * spray.delivered
    assert ours.sends <= 1.05 * spray.transmissions
    assert len(ours.delivered) >= 0.8 * epidemic.delivered
    assert ours.sends <= 0.5 * epidemic.transmissions
