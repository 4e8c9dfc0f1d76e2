"""One session: two directions of keys, and who is at the other end."""

from protocols.directory import NodeRecord
from protocols.envelope import (
    LOCAL_HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    ROUTED_HEADER_BYTES,
    Envelope,
    Kind,
    header_bytes,
)
from protocols.errors import LocalError, RemoteError
from protocols.ids import NodeId
from protocols.noise import CipherState
from protocols.session.epochs import ReceiveKeys, SendKeys
from protocols.session.frames import RECORD_ID
from protocols.session.limits import TAG_BYTES
from protocols.session.padding import padded_length
from protocols.session.proof import Proved


class Session:
    """Made by `SessionTable` alone. Read its attributes; seal and close through the table."""

    __slots__ = (
        "_heed_ns",
        "_hops",
        "_own_node",
        "_receiving",
        "_sending",
        "boot",
        "bytes_opened",
        "bytes_sealed",
        "closed",
        "confirmed",
        "established_ns",
        "features",
        "handshake_hash",
        "heard_ns",
        "hybrid",
        "index",
        "initiator",
        "peer",
        "peer_index",
        "record",
        "record_bytes",
    )

    def __init__(
        self,
        proved: Proved,
        *,
        own_node: NodeId,
        index: bytes,
        peer_index: bytes,
        initiator: bool,
        hybrid: bool,
        handshake_hash: bytes,
        ciphers: tuple[CipherState, CipherState],
        hops: int,
        now_ns: int,
    ) -> None:
        self.index = index  # what the peer writes on its records
        self.peer_index = peer_index  # what we write on ours
        self.peer = proved.record.node
        self.record: NodeRecord = proved.record
        self.record_bytes = proved.record_bytes
        self.features = proved.features  # of the peer's software, beyond its record
        self.boot = proved.boot  # changes when the peer restarts
        self.initiator = initiator
        self.hybrid = hybrid
        self.handshake_hash = handshake_hash
        self.established_ns = now_ns
        self.heard_ns = now_ns
        self.confirmed = not initiator  # the peer is known to hold the keys
        self.closed = False
        self.bytes_sealed = 0  # envelopes, whole
        self.bytes_opened = 0  # plaintexts with their padding
        self._sending = SendKeys(ciphers[0])
        self._receiving = ReceiveKeys(ciphers[1])
        self._own_node = own_node
        self._heed_ns = now_ns  # hints are heard again from here on
        self._hops = bytes([hops])

    def __repr__(self) -> str:
        return f"Session(peer={self.peer.hex()[:8]}, index={self.index.hex()}, initiator={self.initiator})"

    @property
    def next_counter(self) -> int:
        """The counter of the next record that is sealed."""
        return self._sending.next_counter

    def heed_hint(self, now_ns: int, quiet_ns: int) -> bool:
        """True at most once in `quiet_ns`."""
        if now_ns < self._heed_ns:
            return False
        self._heed_ns = now_ns + quiet_ns
        return True

    def seal(self, frames: bytes | bytearray, *, traffic: int, local: bool, size_max: int) -> bytes:
        """A whole envelope of at most `size_max` bytes. A bytearray is padded in place."""
        if self.closed:
            raise LocalError("sealed on a session that is over")
        header_size = LOCAL_HEADER_BYTES if local else ROUTED_HEADER_BYTES
        room = min(size_max - header_size, PAYLOAD_BYTES_MAX) - TAG_BYTES
        length = len(frames)
        if length > room:
            raise LocalError(f"{length} bytes of frames where {room} fit")
        padding = min(padded_length(length), room) - length
        if padding:
            frames += bytes(padding)
        envelope_id = RECORD_ID.pack(self.peer_index, self._sending.next_counter)
        associated = header_bytes(
            Kind.RECORD, traffic, 0, envelope_id, self._own_node, self.peer, local=local
        )
        hops = b"\x01" if local else self._hops
        envelope = b"".join((associated[:3], hops, associated[4:], self._sending.seal(associated, frames)))
        self.bytes_sealed += len(envelope)
        return envelope

    def open(self, envelope: Envelope, counter: int, *, now_ns: int) -> bytes:
        """Raises RemoteError, and then nothing has changed."""
        if not envelope.local and envelope.source != self.peer:
            raise RemoteError("wrong_source")
        plaintext = self._receiving.open(counter, envelope.associated, envelope.payload)
        self.heard_ns = now_ns
        self.bytes_opened += len(plaintext)
        return plaintext

    def rekey(self) -> bool:
        """Leave the present sending key behind; False where it has sealed nothing."""
        return self._sending.skip_to_next_epoch()

    def close(self) -> None:
        """Wipe the keys. Twice is harmless."""
        self.closed = True
        self._sending.wipe()
        self._receiving.wipe()
