import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from protocols.courier import Bundle, Carrier, CarryLimits, Meetings, PrekeyRing, Sealed, open_bundle
from protocols.courier.carrier import Willing
from protocols.courier.sealed import HEADER_BYTES
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.noise import Kem, mlkem_or_none

NOW_S = 1_800_000_000
DAY_S = 86_400


@dataclass
class Person:
    """Somebody with an identity, prekeys, and chance that repeats itself."""

    name: str
    kem: Kem | None = field(default_factory=mlkem_or_none)
    drawn: int = 0

    def __post_init__(self) -> None:
        self.identity = Identity.from_seed(hashlib.sha256(self.name.encode()).digest())
        self.ring = PrekeyRing(self.identity, self.kem)

    @property
    def id(self) -> NodeId:
        return self.identity.node_id

    def entropy(self, size: int) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(f"{self.name}/{self.drawn}".encode()).digest(size)

    def bundle(self, now_s: int = NOW_S) -> Bundle:
        """Of a fresh prekey."""
        return open_bundle(self.ring.rotate(now_s, self.entropy).bundle)


@pytest.fixture(scope="session")
def person() -> Callable[..., Person]:
    return Person


@pytest.fixture
def alice() -> Person:
    return Person("alice")


@pytest.fixture
def bob() -> Person:
    return Person("bob")


@pytest.fixture
def mallory() -> Person:
    return Person("mallory")


@pytest.fixture
def carrier() -> Callable[..., Carrier]:
    """By name."""

    def make(name: str, *, willing: Willing = "everyone", **limits: int) -> Carrier:
        chosen = CarryLimits(**limits)
        me = NodeId(hashlib.sha256(name.encode()).digest())
        return Carrier(me, chosen, Meetings(chosen.met_max), willing=willing)

    return make


@pytest.fixture
def parcel() -> Callable[..., Sealed]:
    """A sealed object as couriers know it: nobody has to open it."""

    def make(to: NodeId, number: int = 0, *, size: int = 700, expires_s: int = NOW_S + DAY_S) -> Sealed:
        sealed_id = hashlib.sha256(b"parcel" + bytes([number % 256, number // 256])).digest()[:16]
        return Sealed(1, to, expires_s, sealed_id, bytes(max(size, HEADER_BYTES)))

    return make
