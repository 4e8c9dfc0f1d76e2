"""One handshake: it interprets the tokens of its pattern (Noise, section 5.3: HandshakeState).

    my turn ──write_message──► their turn ──read_message──► my turn ... finished ──split──► two keys

A message that is refused ends the handshake: the state is not rolled back, so nothing may follow it.
"""

from collections.abc import Callable
from enum import Enum

from protocols.errors import LocalError, RemoteError
from protocols.noise.cipher import CIPHERS, CipherState
from protocols.noise.kem import CIPHERTEXT_BYTES, PUBLIC_BYTES, Kem, KemKeyPair
from protocols.noise.patterns import parse_name
from protocols.noise.symmetric import HASHES, SymmetricState
from protocols.noise.x25519 import X25519_BYTES, AgreementKey, X25519Pair

MESSAGE_BYTES_MAX = 65_535  # Noise, section 3


class State(Enum):
    RUNNING, FINISHED, SPLIT, BROKEN = range(4)


class Handshake:
    """`static` is ours, a raw private key or better the pair made of it once; `remote_static` is a raw public key.
    Ephemerals come from `entropy`, by way of `make_key`.
    """

    def __init__(
        self,
        name: str,
        *,
        initiator: bool,
        entropy: Callable[[int], bytes],
        prologue: bytes = b"",
        static: AgreementKey | bytes | None = None,
        remote_static: bytes | None = None,
        kem: Kem | None = None,
        make_key: Callable[[bytes], AgreementKey] = X25519Pair.load,
    ) -> None:
        """Raises LocalError for a name, or a set of keys, that makes no handshake."""
        parsed = parse_name(name, CIPHERS, HASHES)
        pattern = parsed.pattern
        if parsed.hybrid and kem is None:
            raise LocalError(f"{name} needs a KEM")
        if pattern.uses(initiators=initiator) and static is None:
            raise LocalError(f"{name} needs our static key")
        known = pattern.knows(initiators=not initiator)
        if known and remote_static is None:
            raise LocalError(f"{name} needs the peer's static key")
        if remote_static is not None and len(remote_static) != X25519_BYTES:
            raise LocalError(f"an X25519 key has {X25519_BYTES} bytes")
        self.state = State.RUNNING
        self.hash_before_payload = b""
        self.remote_static = remote_static if known else None  # else the pattern brings it
        self._pattern, self._kem, self._entropy, self._initiator = pattern, kem, entropy, initiator
        self._make_key = make_key
        self._static = make_key(static) if isinstance(static, bytes) else static
        self._ephemeral: AgreementKey | None = None
        self._remote_ephemeral: bytes | None = None
        self._kem_pair: KemKeyPair | None = None
        self._remote_kem: bytes | None = None
        self._step = 0
        self._symmetric = SymmetricState(name, cipher=parsed.cipher, hash_name=parsed.hash)
        self._symmetric.mix_hash(prologue)
        self._mix_known_keys()

    def __repr__(self) -> str:
        return f"Handshake(initiator={self._initiator}, step={self._step}, state={self.state.name})"

    @property
    def my_turn(self) -> bool:
        return self.state is State.RUNNING and (self._step % 2 == 0) == self._initiator

    @property
    def finished(self) -> bool:
        return self.state in {State.FINISHED, State.SPLIT}

    @property
    def handshake_hash(self) -> bytes:
        """Binds all that was said. Equal at both ends once finished."""
        return self._symmetric.hash

    def write_message(self, payload: bytes | Callable[[bytes], bytes] = b"") -> bytes:
        """Our next message. A callable is given the hash as it stands before the payload is sealed.

        Raises RemoteError for a key of the peer that makes no secret; LocalError out of turn or above 65,535 bytes.
        """
        if not self.my_turn:
            raise LocalError("it is not our turn in this handshake")
        try:
            message = b"".join([self._write(token) for token in self._pattern.messages[self._step]])
            self.hash_before_payload = self._symmetric.hash
            plain = payload if isinstance(payload, bytes) else payload(self.hash_before_payload)
            message += self._symmetric.encrypt_and_hash(plain)
        except BaseException:
            self._break()
            raise
        if len(message) > MESSAGE_BYTES_MAX:
            self._break()
            raise LocalError("a handshake message has at most 65,535 bytes")
        self._advance()
        return message

    def read_message(self, message: bytes) -> bytes:
        """The peer's next message; gives its payload. Raises RemoteError, and the handshake is over then."""
        if self.state is not State.RUNNING or self.my_turn:
            raise RemoteError("out_of_turn")
        try:
            payload = self._read_all(bytes(message))
        except BaseException:
            self._break()
            raise
        self._advance()
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """(sending, receiving), once. In a one-way pattern the key against its direction comes wiped."""
        if self.state is not State.FINISHED:
            raise LocalError("this handshake has no keys to give")
        self.state = State.SPLIT
        first, second = self._symmetric.split()
        self._forget()
        if self._pattern.one_way:
            second.wipe()
        return (first, second) if self._initiator else (second, first)

    # -- tokens -----------------------------------------------------------------------------------------------

    def _write(self, token: str) -> bytes:
        symmetric = self._symmetric
        match token:
            case "e":
                self._ephemeral = self._make_key(self._entropy(X25519_BYTES))
                symmetric.mix_hash(self._ephemeral.public)
                return self._ephemeral.public
            case "s":
                return symmetric.encrypt_and_hash(self._own_public())
            case "e1":
                self._kem_pair = self._need_kem().keypair(self._entropy)
                return symmetric.encrypt_and_hash(self._kem_pair.public)
            case "ekem1":
                assert self._remote_kem is not None, "e1 came before"
                ciphertext, secret = self._need_kem().encapsulate(self._remote_kem)
                sealed = symmetric.encrypt_and_hash(ciphertext)
                symmetric.mix_key(secret)
                return sealed
            case _:
                symmetric.mix_key(self._agree(token))
                return b""

    def _read_all(self, message: bytes) -> bytes:
        if len(message) > MESSAGE_BYTES_MAX:
            raise RemoteError("too_long")
        at = 0
        for token in self._pattern.messages[self._step]:
            size = self._size_of(token)
            if len(message) - at < size:
                raise RemoteError("cut_short")
            self._read(token, message[at : at + size])
            at += size
        self.hash_before_payload = self._symmetric.hash
        return self._symmetric.decrypt_and_hash(message[at:])

    def _size_of(self, token: str) -> int:
        match token:
            case "e":
                return X25519_BYTES
            case "s":
                return X25519_BYTES + self._symmetric.tag_bytes
            case "e1":
                return PUBLIC_BYTES + self._symmetric.tag_bytes
            case "ekem1":
                return CIPHERTEXT_BYTES + self._symmetric.tag_bytes
            case _:
                return 0

    def _read(self, token: str, data: bytes) -> None:
        symmetric = self._symmetric
        match token:
            case "e":
                self._remote_ephemeral = data
                symmetric.mix_hash(data)
            case "s":
                self.remote_static = symmetric.decrypt_and_hash(data)
            case "e1":
                self._remote_kem = symmetric.decrypt_and_hash(data)
            case "ekem1":
                assert self._kem_pair is not None, "we sent e1"
                ciphertext = symmetric.decrypt_and_hash(data)
                symmetric.mix_key(self._need_kem().decapsulate(self._kem_pair, ciphertext))
            case _:
                symmetric.mix_key(self._agree(token))

    def _agree(self, token: str) -> bytes:
        """X25519 of the two keys that the token names, the initiator's first."""
        ours, theirs = token if self._initiator else (token[1], token[0])
        key = self._ephemeral if ours == "e" else self._static
        public = self._remote_ephemeral if theirs == "e" else self.remote_static
        assert key is not None, "checked at the start, or e was written before"
        assert public is not None, "checked at the start, or the pattern brought it"
        return key.agree(public)

    # -- state ------------------------------------------------------------------------------------------------

    def _mix_known_keys(self) -> None:
        """Both sides mix the initiator's first (Noise, section 5.3)."""
        for initiators in (True, False):
            if not self._pattern.knows(initiators=initiators):
                continue
            if initiators == self._initiator:
                self._symmetric.mix_hash(self._own_public())
            else:
                assert self.remote_static is not None, "checked at the start"
                self._symmetric.mix_hash(self.remote_static)

    def _own_public(self) -> bytes:
        assert self._static is not None, "checked at the start"
        return self._static.public

    def _need_kem(self) -> Kem:
        assert self._kem is not None, "checked at the start"
        return self._kem

    def _advance(self) -> None:
        self._step += 1
        if self._step == len(self._pattern.messages):
            self.state = State.FINISHED

    def _break(self) -> None:
        self.state = State.BROKEN
        self._symmetric.wipe()
        self._forget()

    def _forget(self) -> None:
        self._static = self._ephemeral = self._kem_pair = self._kem = None
