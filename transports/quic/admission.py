"""Who may begin a connection with us, decided before anything is remembered about them.

A stranger costs at most one half-open slot. From `retry_from` such slots on he has to prove his address first, so a
flood from forged addresses ends there; from `half_open_max` on, and at `connections_max` links, nobody new is
answered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from protocols.errors import RemoteError
from transports.quic.engine import NetworkAddress
from transports.quic.limits import CONNECTION_ID_BYTES, INITIAL_DATAGRAM_BYTES_MIN, QuicLimits
from transports.quic.packets import PacketHead, PacketKind, negotiation_packet, retry_packet
from transports.quic.retry import RetryTokens


@dataclass(frozen=True, slots=True)
class Admit:
    original: bytes  # the connection id that the client first chose
    retried: bytes | None  # the one that our Retry gave it


@dataclass(frozen=True, slots=True)
class Answer:
    """Send this and forget."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class Ignore:
    reason: str


Verdict: TypeAlias = Admit | Answer | Ignore


@dataclass(slots=True)
class Admission:
    """One for all sockets of a transport."""

    limits: QuicLimits
    entropy: Callable[[int], bytes]
    now_ns: Callable[[], int]
    links: int = 0  # all that live, half-open ones included
    half_open: int = 0  # of those that others began
    dropped: dict[str, int] = field(default_factory=dict[str, int])
    tokens: RetryTokens = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = RetryTokens(self.entropy)

    def count(self, reason: str, number: int = 1) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + number

    def judge(self, head: PacketHead, remote: NetworkAddress, datagram_bytes: int) -> Verdict:
        """For the first packet of a connection that we don't know."""
        if head.kind not in (PacketKind.INITIAL, PacketKind.UNKNOWN_VERSION):
            return Ignore("unknown_connection")
        if datagram_bytes < INITIAL_DATAGRAM_BYTES_MIN or len(head.destination) < CONNECTION_ID_BYTES:
            return Ignore("short_initial")
        if head.kind is PacketKind.UNKNOWN_VERSION:
            self.count("unknown_version")
            return Answer(negotiation_packet(head, self.entropy(1)[0]))
        if self.links >= self.limits.connections_max:
            return Ignore("connections_full")
        if self.half_open >= self.limits.half_open_max:
            return Ignore("half_open_full")
        return self._judge_token(head, (remote[0], remote[1]))

    def _judge_token(self, head: PacketHead, remote: tuple[str, int]) -> Verdict:
        now_ns = self.now_ns()
        if head.token:
            try:
                original = self.tokens.open(head.token, remote, head.destination, now_ns=now_ns)
            except RemoteError as error:
                return Ignore(error.reason)
            return Admit(original, head.destination)
        if self.half_open < self.limits.retry_from:
            return Admit(head.destination, None)
        self.count("retried")
        new_source = self.entropy(CONNECTION_ID_BYTES)
        token = self.tokens.make(remote, head.destination, new_source, now_ns=now_ns)
        return Answer(retry_packet(head, new_source=new_source, token=token))
