"""What simulated nodes sign and agree with: the node's own port (`protocols.keys.Suite`), one suite for all of a run.

`SharedSuite` is the real cryptography. Since all nodes are in one process, what one end worked out the other end need
not: a signature that was made here is known to be right, and a secret that both ends find is computed once.

`HashSuite` is for thousands of nodes. Its keys, signatures and secrets have the sizes of real ones and behave like
them, but they protect nothing: whoever has two public keys has their secret.
"""

import hashlib

from protocols.keys import REAL, SigningKey
from protocols.noise import AgreementKey

SIGNATURES_MAX = 16_384  # some 700 bytes each; beyond it the oldest is forgotten and verified in earnest
SECRETS_MAX = 16_384  # that the other end has not asked for yet, 200 bytes each; as above
KEY_BYTES, SIGNATURE_BYTES = 32, 64


class SharedSuite:
    """The bytes are those of the real one, so it changes no digest."""

    def __init__(self) -> None:
        self._right: dict[bytes, tuple[bytes, bytes]] = {}  # signature -> whose it is, of what
        self._secrets: dict[bytes, bytes] = {}  # both public keys -> the secret

    def signing_key(self, seed: bytes) -> SigningKey:
        return _Remembered(REAL.signing_key(seed), self)

    def agreement_key(self, private: bytes) -> AgreementKey:
        return _Shared(REAL.agreement_key(private), self._secrets)

    def verify(self, public: bytes, data: bytes, signature: bytes) -> bool:
        if self._right.get(signature) == (public, data):
            return True
        right = REAL.verify(public, data, signature)
        if right:
            self.remember(public, data, signature)
        return right

    def remember(self, public: bytes, data: bytes, signature: bytes) -> None:
        """It is right."""
        self._right[signature] = (public, data)
        if len(self._right) > SIGNATURES_MAX:
            del self._right[next(iter(self._right))]


class _Remembered:
    """A signing key whose signatures need no verifying."""

    __slots__ = ("_key", "_suite", "public")

    def __init__(self, key: SigningKey, suite: SharedSuite) -> None:
        self._key, self._suite, self.public = key, suite, key.public

    def sign(self, data: bytes) -> bytes:
        signature = self._key.sign(data)
        self._suite.remember(self.public, data, signature)
        return signature


class _Shared:
    """An agreement key that leaves what it found for the other end."""

    __slots__ = ("_key", "_secrets", "public")

    def __init__(self, key: AgreementKey, secrets: dict[bytes, bytes]) -> None:
        self._key, self._secrets, self.public = key, secrets, key.public

    def agree(self, public: bytes) -> bytes:
        pair = _pair(self.public, public)
        secret = self._secrets.pop(pair, None)  # each end asks once
        if secret is None:
            secret = self._secrets[pair] = self._key.agree(public)
            if len(self._secrets) > SECRETS_MAX:
                del self._secrets[next(iter(self._secrets))]
        return secret


class HashSuite:
    """Signatures are keyed with the signer's seed, which only this object knows, so that nobody makes one by accident."""

    def __init__(self) -> None:
        self._seeds: dict[bytes, bytes] = {}  # public key -> seed; one for each identity of the run

    def signing_key(self, seed: bytes) -> SigningKey:
        public = _hash(seed, b"sign")
        self._seeds[public] = seed
        return _HashSigner(public, seed)

    def agreement_key(self, private: bytes) -> AgreementKey:
        return _HashPair(_hash(private, b"agree"))

    def verify(self, public: bytes, data: bytes, signature: bytes) -> bool:
        seed = self._seeds.get(public)
        return seed is not None and signature == _signature(seed, data)


class _HashSigner:
    __slots__ = ("_seed", "public")

    def __init__(self, public: bytes, seed: bytes) -> None:
        self.public, self._seed = public, seed

    def sign(self, data: bytes) -> bytes:
        return _signature(self._seed, data)


class _HashPair:
    __slots__ = ("public",)

    def __init__(self, public: bytes) -> None:
        self.public = public

    def agree(self, public: bytes) -> bytes:
        return _hash(_pair(self.public, public), b"secret")


def _pair(one: bytes, other: bytes) -> bytes:
    return one + other if one < other else other + one


def _hash(data: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=KEY_BYTES, person=purpose).digest()


def _signature(seed: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, key=seed, digest_size=SIGNATURE_BYTES).digest()
