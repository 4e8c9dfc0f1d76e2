"""Binding a further link to a neighbour inside a live session (docs/wire.md, section 6).

The messages travel as CONTROL frames of LOCAL records over the link in question. Each side sends a fresh nonce and
how it sees the link, and echoes the other's nonce; the link is bound once our nonce came back over it and both see
the same link. Somebody who sits in between holds two links that look different; and a message carried over from
another link brings no echo of our nonce.
"""

import hmac
from collections.abc import Callable

from protocols.errors import LocalError, RemoteError

NONCE_BYTES = 16
LINK_BINDING_BYTES = 32
NO_ECHO = bytes(NONCE_BYTES)
MESSAGE_BYTES = NONCE_BYTES + LINK_BINDING_BYTES + NONCE_BYTES
ANSWERS_MAX = 8  # an honest exchange needs 2, and 1 more for each loss; above: RemoteError("too_many_binds")


class LinkBinding:
    """One link's exchange, at either end. Make a new one for each new link.

    Loss is the owner's matter: calling `start` again repeats the same first message, and each message that comes
    is answered until both sides are done.
    """

    def __init__(self, binding: bytes, *, entropy: Callable[[int], bytes]) -> None:
        if len(binding) != LINK_BINDING_BYTES:
            raise LocalError(f"a link binding has {LINK_BINDING_BYTES} bytes, this one has {len(binding)}")
        self.bound = False
        self._binding = binding
        self._nonce = entropy(NONCE_BYTES)
        self._answers_left = ANSWERS_MAX

    def start(self) -> bytes:
        return self._nonce + self._binding + NO_ECHO

    def receive(self, message: bytes) -> bytes | None:
        """The answer to send back over the same link, or None where nothing more is owed.

        Raises RemoteError: "bad_bind" for malformed bytes, "wrong_binding" for a link seen differently and
        "wrong_echo" for a nonce that isn't ours; give the link up then.
        """
        if len(message) != MESSAGE_BYTES:
            raise RemoteError("bad_bind", f"{len(message)} bytes")
        nonce, echo = message[:NONCE_BYTES], message[-NONCE_BYTES:]
        if not hmac.compare_digest(message[NONCE_BYTES:-NONCE_BYTES], self._binding):
            raise RemoteError("wrong_binding")
        if echo != NO_ECHO:
            if not hmac.compare_digest(echo, self._nonce):
                raise RemoteError("wrong_echo")
            if self.bound:
                return None
            self.bound = True
        if self._answers_left == 0:
            raise RemoteError("too_many_binds")
        self._answers_left -= 1
        return self._nonce + self._binding + nonce
