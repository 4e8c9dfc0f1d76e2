"""Rules of sealing and carrying. Each guards against somebody who lies, so no honest run shows them."""

import hashlib
from typing import Any
from unittest.mock import patch

from mutant import Guarded, Swap

from protocols.courier import (
    Carrier,
    CarryLimits,
    Meetings,
    Offer,
    PrekeyRing,
    Sealed,
    open_bundle,
    sealing,
)
from protocols.courier.custody import Custody, Shelf
from protocols.courier.notes import DeliveredNote, sign_note
from protocols.errors import RemoteError
from protocols.ids import NodeId
from protocols.keys import Identity

NOW_S = 1_800_000_000
LIFE_S = 3_600
SEALED_ID = bytes(range(16))
COPIES = 4


class Person:
    """With prekeys, and chance that repeats itself."""

    def __init__(self, name: str) -> None:
        self.name, self._drawn = name, 0
        self.identity = Identity.from_seed(hashlib.sha256(name.encode()).digest())
        self.ring = PrekeyRing(self.identity, None)
        self.bundle = open_bundle(self.ring.rotate(NOW_S, self.entropy).bundle)
        self.carrier = Carrier(self.id, CarryLimits(), Meetings(8))

    @property
    def id(self) -> NodeId:
        return self.identity.node_id

    def entropy(self, size: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_256(f"{self.name}/{self._drawn}".encode()).digest(size)

    def seals(self, content: bytes, to: "Person") -> Sealed:
        return sealing.seal(
            self.identity,
            to.bundle,
            content,
            sealed_id=SEALED_ID,
            expires_s=NOW_S + LIFE_S,
            entropy=self.entropy,
            kem=None,
        )

    def takes(self, giver: "Person", sealed: Sealed) -> None:
        self.carrier.up(giver.id, now_s=NOW_S)
        self.carrier.take(giver.id, sealed, copies=COPIES, mark_age_s=None, contact=True, now_s=NOW_S)


def people(*names: str) -> list[Person]:
    return [Person(name) for name in names]


# -- what stands there instead ------------------------------------------------------------------------------------


def _read_for_anybody(_identity: Identity, _sealed: Sealed, prekey: bytes, plain: bytes) -> sealing.Opened:
    (length,) = sealing.LENGTH.unpack_from(plain)
    signed = plain[sealing.LENGTH.size : sealing.LENGTH.size + length]
    sender, body = sealing.open_body(
        signed, sealing.LABEL, sealing.VERSION, bytes_max=sealing.SEALED_BYTES_MAX
    )
    content = body["data"]
    assert isinstance(content, bytes)
    return sealing.Opened(sender, content, prekey)


def _believe_all(self: Carrier, note: DeliveredNote, **_: Any) -> bool:
    self._notes[note.id] = note
    return True


def _have_none(_self: Shelf, _sealed_id: bytes) -> None:
    """Is on it."""


def _end_nothing(_self: Carrier, *, now_s: int) -> list[Custody]:
    del now_s
    return []


# -- who notices --------------------------------------------------------------------------------------------------


def _is_sealed_on() -> list[str]:
    """Bob opens what Alice wrote to him, and seals her signed words to Carol."""
    alice, bob, carol = people("alice", "bob", "carol")
    opened: list[bytes] = []
    genuine = sealing.sign_body

    def keep(*given: Any) -> bytes:
        opened.append(genuine(*given))
        return opened[0]

    with patch.object(sealing, "sign_body", keep):  # the hand of bob, who keeps to no rule
        alice.seals(b"I love you", bob)
        sealed_on = bob.seals(b"", carol)
    try:
        believed = sealing.open_sealed(carol.identity, sealed_on, carol.ring.openers(), None)
    except RemoteError:
        return []
    return [f"carol believes that alice wrote to her: {believed.content!r}"]


def _is_talked_out_of_it() -> list[str]:
    alice, bob, carol, mallory = people("alice", "bob", "carol", "mallory")
    sealed = alice.seals(b"soon", bob)
    carol.takes(alice, sealed)
    carol.carrier.up(mallory.id, now_s=NOW_S)
    lie = sign_note(mallory.identity, sealed.id, sealed.expires_s)
    if carol.carrier.arrived(lie, now_s=NOW_S, teller=mallory.id):
        return ["carol lets go of what mallory says has arrived"]
    return []


def _is_carried_for_ever() -> list[str]:
    alice, bob, carol = people("alice", "bob", "carol")
    carol.takes(alice, alice.seals(b"soon", bob))
    carol.carrier.sweep(now_s=NOW_S + LIFE_S + 1)
    return [f"{left} objects are carried beyond their life"] if (left := len(carol.carrier.shelf)) else []


def _is_taken_twice() -> list[str]:
    alice, bob, carol, dave = people("alice", "bob", "carol", "dave")
    sealed = alice.seals(b"soon", bob)
    carol.takes(alice, sealed)
    word = carol.carrier.consider(
        dave.id,
        Offer(sealed.id, sealed.receiver, sealed.size, sealed.expires_s),
        contact=True,
        now_s=NOW_S,
    ).word
    return [] if word == "have" else [f"carol, who carries it, says {word!r} when dave offers it"]


RULES = (
    Guarded(
        name="sealed-to-one",
        rule="A sealed message opens only for whom its sender signed it.",
        where="protocols/courier/sealing.py: _read",
        swaps=(Swap(sealing, "_read", _read_for_anybody),),
        complaints=_is_sealed_on,
    ),
    Guarded(
        name="receiver-ends-the-carrying",
        rule="Only the receiver's word that it arrived ends the carrying.",
        where="protocols/courier/carrier.py: Carrier.arrived",
        swaps=(Swap(Carrier, "arrived", _believe_all),),
        complaints=_is_talked_out_of_it,
    ),
    Guarded(
        name="carried-until-it-expires",
        rule="What has expired is carried no more.",
        where="protocols/courier/carrier.py: Carrier.sweep",
        swaps=(Swap(Carrier, "sweep", _end_nothing),),
        complaints=_is_carried_for_ever,
    ),
    Guarded(
        name="carried-once",
        rule="A courier takes an object once, whoever offers it.",
        where="protocols/courier/custody.py: Shelf.get, as Carrier.consider asks it",
        swaps=(Swap(Shelf, "get", _have_none),),
        complaints=_is_taken_twice,
    ),
)
