"""The keys of one direction, ratcheted once per epoch (docs/wire.md, section 4)."""

from protocols.errors import RemoteError
from protocols.noise import CipherState
from protocols.session.limits import EPOCH_BITS, EPOCHS_AHEAD_MAX
from protocols.session.window import ReplayWindow


class SendKeys:
    """The counter rises by one for each record, or jumps to the next epoch's first to change the key early."""

    __slots__ = ("_cipher", "_epoch", "next_counter")

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher
        self._epoch = 0
        self.next_counter = 0

    def seal(self, associated: bytes, plaintext: bytes | bytearray) -> bytes:
        counter = self.next_counter
        if counter >> EPOCH_BITS != self._epoch:
            old, self._cipher = self._cipher, self._cipher.rekeyed()
            old.wipe()
            self._epoch += 1
        self.next_counter = counter + 1
        return self._cipher.encrypt(counter, associated, plaintext)

    def skip_to_next_epoch(self) -> bool:
        """False, and nothing changes, while the present epoch's key has sealed nothing."""
        if self.next_counter == self._epoch << EPOCH_BITS or self.next_counter >> EPOCH_BITS != self._epoch:
            return False
        self.next_counter = (self._epoch + 1) << EPOCH_BITS
        return True

    def wipe(self) -> None:
        self._cipher.wipe()


class _Epoch:
    """One key and the counters that it has opened."""

    __slots__ = ("cipher", "number", "window")

    def __init__(self, number: int, cipher: CipherState) -> None:
        self.number = number
        self.cipher = cipher
        self.window = ReplayWindow(number << EPOCH_BITS)

    def next(self) -> "_Epoch":
        return _Epoch(self.number + 1, self.cipher.rekeyed())


class ReceiveKeys:
    """Follows the sender's epochs. The newest key and the one before it are kept, each with its own window:
    after a jump to a new epoch, records of the old one that come late are still opened, once.
    """

    __slots__ = ("_current", "_previous")

    def __init__(self, cipher: CipherState) -> None:
        self._current = _Epoch(0, cipher)
        self._previous: _Epoch | None = None

    def open(self, counter: int, associated: bytes, sealed: bytes | memoryview) -> bytes:
        """Raises RemoteError("replayed", "far_epoch" or "bad_seal"), and then nothing has changed."""
        epoch = self._current
        ahead = (counter >> EPOCH_BITS) - epoch.number
        if ahead > 0:
            return self._open_ahead(ahead, counter, associated, sealed)
        if ahead < 0:
            if self._previous is None or counter >> EPOCH_BITS != self._previous.number:
                raise RemoteError("replayed", "its epoch is over")
            epoch = self._previous
        epoch.window.check(counter)
        plaintext = epoch.cipher.decrypt(counter, associated, sealed)
        epoch.window.mark(counter)
        return plaintext

    def _open_ahead(self, ahead: int, counter: int, associated: bytes, sealed: bytes | memoryview) -> bytes:
        if ahead > EPOCHS_AHEAD_MAX:
            raise RemoteError("far_epoch")
        chain = [self._current]
        for _ in range(ahead):
            chain.append(chain[-1].next())
        try:
            plaintext = chain[-1].cipher.decrypt(counter, associated, sealed)
        except RemoteError:
            for epoch in chain[1:]:
                epoch.cipher.wipe()
            raise
        spent = chain[:-2] if self._previous is None else [self._previous, *chain[:-2]]
        for epoch in spent:
            epoch.cipher.wipe()
        self._previous, self._current = chain[-2:]
        self._current.window.mark(counter)
        return plaintext

    def wipe(self) -> None:
        self._current.cipher.wipe()
        if self._previous is not None:
            self._previous.cipher.wipe()
