"""Which counters of one epoch have been seen (in the spirit of RFC 6479, as one Python integer).

`_missing` has a bit for each counter below the highest that has not come yet, so records in order touch no
large integer at all.
"""

from protocols.errors import RemoteError
from protocols.session.limits import WINDOW_COUNTERS

MASK = (1 << WINDOW_COUNTERS) - 1


class ReplayWindow:
    """Ask `check` before the cost of opening, `mark` once the tag was right."""

    __slots__ = ("_highest", "_missing")

    def __init__(self, first: int) -> None:
        self._highest = first - 1  # the highest counter seen; bit n of _missing stands for _highest - n
        self._missing = 0

    def check(self, counter: int) -> None:
        """Raises RemoteError("replayed") for a counter that was marked, or is too old to tell."""
        age = self._highest - counter
        if age >= 0 and (age >= WINDOW_COUNTERS or not self._missing >> age & 1):
            raise RemoteError("replayed")

    def mark(self, counter: int) -> None:
        """Call only for a counter that `check` let pass."""
        ahead = counter - self._highest
        if ahead <= 0:
            self._missing ^= 1 << -ahead
            return
        self._highest = counter
        if ahead == 1:
            if self._missing:
                self._missing = (self._missing << 1) & MASK
        elif ahead >= WINDOW_COUNTERS:
            self._missing = MASK ^ 1
        else:
            self._missing = ((self._missing << ahead) | ((1 << ahead) - 2)) & MASK
