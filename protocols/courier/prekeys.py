"""Our own prekeys: random, never made from the seed, a new one each week, each deleted when nothing sealed to it can
still be under way.

    rotate ──► current ──(a week, or by hand)──► kept for what is under way ──(28 days)──► deleted

The wall clock says when, and may be years wrong: so a key is only deleted once as many newer ones exist as make up its
life. A clock that leaps ahead costs one rotation, not the ring.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from protocols.courier.bundle import prekey_id, sign_bundle
from protocols.courier.limits import (
    BUNDLE_LIFE_S,
    CLOCK_SKEW_S,
    PREKEY_LIFE_S,
    PREKEYS_MAX,
    PREKEYS_NEWER_MIN,
    ROTATE_S,
    WALL_S_MIN,
)
from protocols.errors import LocalError
from protocols.keys import Identity
from protocols.noise import AgreementKey, Kem, KemKeyPair
from protocols.noise.kem import SEED_BYTES
from protocols.noise.x25519 import X25519_BYTES

MS_PER_S = 1_000
SECRET_BYTES = X25519_BYTES + SEED_BYTES


@dataclass(frozen=True, slots=True)
class OwnPrekey:
    """As it is kept. `secret`: an X25519 key and the seed of an ML-KEM pair; the caller seals it for the disk."""

    id: bytes
    secret: bytes = field(repr=False)
    made_s: int
    sequence: int
    bundle: bytes  # signed, what others are given


@dataclass(frozen=True, slots=True)
class Opener:
    """A prekey with its keys made."""

    id: bytes
    x25519: AgreementKey
    kem: KemKeyPair | None
    kem_public: bytes


class PrekeyRing:
    """At most PREKEYS_MAX; who rotates by hand beyond that gives up the oldest."""

    def __init__(self, identity: Identity, kem: Kem | None, kept: Iterable[OwnPrekey] = ()) -> None:
        self._identity, self._kem = identity, kem
        self._keys = sorted(kept, key=lambda each: each.sequence)
        self._openers: dict[bytes, Opener] = {}

    @property
    def current(self) -> OwnPrekey | None:
        return self._keys[-1] if self._keys else None

    @property
    def kept(self) -> list[OwnPrekey]:
        """The oldest first."""
        return list(self._keys)

    @property
    def count(self) -> int:
        return len(self._keys)

    def is_due(self, now_s: int) -> bool:
        """A clock that was never set can't sign an expiry that others would believe."""
        if now_s < WALL_S_MIN:
            return False
        current = self.current
        return current is None or not -CLOCK_SKEW_S <= now_s - current.made_s < ROTATE_S

    def rotate(self, now_s: int, entropy: Callable[[int], bytes]) -> OwnPrekey:
        """The next current one. To be kept on disk before anybody is given its bundle."""
        if now_s < WALL_S_MIN:
            raise LocalError("a prekey needs a clock that was set")
        secret = entropy(SECRET_BYTES)
        opener = self._open(secret)
        current = self.current
        sequence = max(now_s * MS_PER_S, current.sequence + 1 if current else 0)
        bundle = sign_bundle(
            self._identity,
            sequence=sequence,
            expires_s=now_s + BUNDLE_LIFE_S,
            x25519=opener.x25519.public,
            kem=opener.kem_public,
        )
        made = OwnPrekey(opener.id, secret, now_s, sequence, bundle)
        self._keys.append(made)
        return made

    def take_over(self, now_s: int) -> list[bytes]:
        """The ids of those that are forgotten from now on; the caller deletes them from the disk."""
        over = [
            key.id
            for place, key in enumerate(self._keys)
            if len(self._keys) - place > PREKEYS_MAX
            or (len(self._keys) - place > PREKEYS_NEWER_MIN and key.made_s + PREKEY_LIFE_S < now_s)
        ]
        self._keys = [key for key in self._keys if key.id not in over]
        for each in over:
            self._openers.pop(each, None)
        return over

    def openers(self) -> Iterable[Opener]:
        """The newest first: most is sealed to it."""
        for key in reversed(self._keys):
            opener = self._openers.get(key.id)
            if opener is None:
                opener = self._openers[key.id] = self._open(key.secret)
            yield opener

    def _open(self, secret: bytes) -> Opener:
        x25519 = self._identity.suite.agreement_key(secret[:X25519_BYTES])
        pair = None if self._kem is None else self._kem.keypair(lambda size: secret[X25519_BYTES:][:size])
        public = b"" if pair is None else pair.public
        return Opener(prekey_id(x25519.public, public), x25519, pair, public)
