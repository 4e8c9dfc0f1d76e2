"""Two halves of one pairing, and the wire between them in the test's hands."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from protocols.ids import NodeId
from protocols.pairing import Pairing

ALICE, BOB = NodeId(b"a" * 32), NodeId(b"b" * 32)
SESSION = b"h" * 32


@dataclass
class Pair:
    alice: Pairing  # starts
    bob: Pairing

    def run(self) -> tuple[str | None, str | None]:
        answer = self.bob.receive(self.alice.start(), now_ns=0)
        self.bob.receive(self.alice.receive(answer, now_ns=0), now_ns=0)
        return self.alice.digits, self.bob.digits


MakePair = Callable[..., Pair]


@pytest.fixture
def make_pair() -> MakePair:
    return build_pair


def build_pair(
    seed: int = 0,
    *,
    alices_session: bytes = SESSION,
    bobs_session: bytes = SESSION,
    bobs_peer: NodeId = ALICE,
) -> Pair:
    dice = Random(seed)
    alice = Pairing(
        me=ALICE,
        peer=BOB,
        handshake_hash=alices_session,
        initiator=True,
        entropy=dice.randbytes,
        now_ns=0,
    )
    bob = Pairing(
        me=BOB,
        peer=bobs_peer,
        handshake_hash=bobs_session,
        initiator=False,
        entropy=dice.randbytes,
        now_ns=0,
    )
    return Pair(alice, bob)


@pytest.fixture
def pair() -> Pair:
    return build_pair()
