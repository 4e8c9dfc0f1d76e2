"""A short authentication string with commitment, bound to both NodeIds and to the session that carries it.

    initiator                                     responder
    READY                                         READY
      │ start ───────────── COMMIT ────────────────▶ │
    COMMITTED                                     ANSWERED
      │ ◀──────────────────── ANSWER ─────────────── │
    SHOWN ───────────────── REVEAL ────────────────▶ SHOWN

    any state ── what is wrong, out of turn or late ──▶ ABORTED, and stays there

The initiator is bound to its nonce before it sees the other's, and the responder chooses blindly. So whoever sits in
between can't search for nonces that make both codes equal: each attempt is one guess among 10**7. Seven digits are
ten times safer than the six of Bluetooth, and still what a person can hold in mind between two glances.

A code is worth what its comparison is: it is for two people who see or hear one another.

One attempt can't see the next: a peer may work out the code from our ANSWER, give up before its REVEAL and try anew,
and nobody hears of that guess. Whoever owns the attempts therefore bounds how many COMMITs it answers in a time.
"""

import hashlib
import hmac
from collections.abc import Callable
from enum import Enum

from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.pairing.frames import BODY_BYTES, Kind, decode_frame, encode_frame

CODE_DIGITS = 7
CODE_HEAD = 3  # shown as "123 4567"
TIME_NS_MAX = 600_000_000_000  # 10 minutes: to find one's glasses and ring the other up


class State(Enum):
    READY, COMMITTED, ANSWERED, SHOWN, ABORTED = range(5)


class Pairing:
    """One attempt. Feed it the peer's messages, send what it returns, show `digits` once there are some.

    The whole attempt, comparison included, may take TIME_NS_MAX; `next_timeout` says when its owner must drop it.
    """

    def __init__(
        self,
        *,
        me: NodeId,
        peer: NodeId,
        handshake_hash: bytes,
        initiator: bool,
        entropy: Callable[[int], bytes],
        now_ns: int,
    ) -> None:
        """`handshake_hash` is that of the session which carries the messages. Raises LocalError for oneself."""
        if me == peer:
            raise LocalError("a node has nothing to compare with itself")
        self.state = State.READY
        self._initiator = initiator
        first, second = (me, peer) if initiator else (peer, me)
        self._context = hashlib.sha256(b"meshnode/pairing/1" + first + second + handshake_hash).digest()
        self._nonce = entropy(BODY_BYTES)
        self._commitment = b""  # the responder's copy
        self._digits: str | None = None
        self._due_ns = now_ns + TIME_NS_MAX

    def __repr__(self) -> str:
        return f"Pairing({self.state.name})"

    @property
    def digits(self) -> str | None:
        """The code to compare, as "123 4567"; None before it is known and after the attempt was aborted."""
        return self._digits

    def start(self) -> bytes:
        """The initiator's first message."""
        if not self._initiator or self.state is not State.READY:
            raise LocalError("only an initiator starts, and once")
        self.state = State.COMMITTED
        return encode_frame(Kind.COMMIT, self._commit(self._nonce))

    def receive(self, message: bytes, *, now_ns: int) -> bytes:
        """The reply to send, b"" for none. Raises RemoteError, and this attempt is over then."""
        try:
            return self._receive(message, now_ns)
        except RemoteError:
            self._abort()
            raise

    def next_timeout(self) -> int | None:
        return None if self.state is State.ABORTED else self._due_ns

    def _receive(self, message: bytes, now_ns: int) -> bytes:
        if now_ns >= self._due_ns:
            raise RemoteError("timed_out")
        match self.state:
            case State.READY if not self._initiator:
                self._commitment = decode_frame(message, Kind.COMMIT)
                self.state = State.ANSWERED
                return encode_frame(Kind.ANSWER, self._nonce)
            case State.COMMITTED:
                self._show(self._nonce, decode_frame(message, Kind.ANSWER))
                return encode_frame(Kind.REVEAL, self._nonce)
            case State.ANSWERED:
                revealed = decode_frame(message, Kind.REVEAL)
                if not hmac.compare_digest(self._commit(revealed), self._commitment):
                    raise RemoteError("broken_commitment")
                self._show(revealed, self._nonce)
                return b""
            case _:
                raise RemoteError("out_of_turn", self.state.name)

    def _commit(self, nonce: bytes) -> bytes:
        return hashlib.sha256(b"meshnode/pairing/commit/1" + self._context + nonce).digest()

    def _show(self, initiators: bytes, responders: bytes) -> None:
        whole = hashlib.sha256(b"meshnode/pairing/code/1" + self._context + initiators + responders).digest()
        digits = f"{int.from_bytes(whole) % 10**CODE_DIGITS:0{CODE_DIGITS}}"
        self._digits = f"{digits[:CODE_HEAD]} {digits[CODE_HEAD:]}"
        self.state = State.SHOWN

    def _abort(self) -> None:
        self.state, self._digits, self._nonce = State.ABORTED, None, b""
