"""Tokens that prove an address without a table: what we must remember travels with the stranger, sealed."""

import ipaddress
import struct
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.errors import RemoteError
from transports.quic.limits import CONNECTION_ID_BYTES, CONNECTION_ID_BYTES_MAX

TOKEN_NS_MAX = (
    30_000_000_000  # a client comes back within a round trip; RFC 9000 section 8.1.3 wants it short
)
NONCE_BYTES = 12
HEAD = struct.Struct("!Q16sH8s")  # made at, address, port, the source connection id of our Retry


class RetryTokens:
    """One key per boot; a token of another boot is refused and its owner starts again."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._seal = AESGCM(entropy(16))

    def make(self, address: tuple[str, int], original: bytes, new_source: bytes, *, now_ns: int) -> bytes:
        assert len(new_source) == CONNECTION_ID_BYTES
        nonce = self._entropy(NONCE_BYTES)
        head = HEAD.pack(now_ns, _packed(address[0]), address[1], new_source)
        return nonce + self._seal.encrypt(nonce, head + original, b"")

    def open(self, token: bytes, address: tuple[str, int], destination: bytes, *, now_ns: int) -> bytes:
        """The connection id that the client first chose. Raises RemoteError("bad_token")."""
        try:
            plain = self._seal.decrypt(token[:NONCE_BYTES], token[NONCE_BYTES:], b"")
        except (InvalidTag, ValueError):
            raise RemoteError("bad_token", "not ours") from None
        made_ns, host, port, new_source = HEAD.unpack_from(plain)
        original = plain[HEAD.size :]
        fresh = 0 <= now_ns - made_ns <= TOKEN_NS_MAX
        same = (host, port, new_source) == (_packed(address[0]), address[1], destination)
        if not fresh or not same or len(original) > CONNECTION_ID_BYTES_MAX:
            raise RemoteError("bad_token", "stale, or from another address")
        return original


def _packed(host: str) -> bytes:
    return ipaddress.ip_address(host).packed.rjust(16, b"\0")
