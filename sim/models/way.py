"""One direction between two hosts over one medium, as hearing and faults left it. Links heed it while they live."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sim.models.wire import SimLink

DELAY_NS_MAX = 60_000_000_000  # of all troubles together; what is a minute late is lost to everybody


@dataclass(frozen=True, slots=True)
class Trouble:
    loss: float = 0.0
    delay_ns: int = 0


class Tamper(Protocol):
    """Somebody at a way's beginning, or on it, who does as he likes with frames."""

    def sent(self, link: "SimLink", frames: Sequence[bytes], *, reliable: bool) -> Sequence[bytes]:
        """What goes on in their stead, now. More may follow by `link.inject`."""
        ...

    def heard(self, link: "SimLink", frames: Sequence[bytes]) -> None:
        """These came the other way."""
        ...


class Troubled:
    """Troubles that add up, and go one by one in any order."""

    __slots__ = ("delay_ns", "loss", "troubles")

    def __init__(self) -> None:
        self.troubles: tuple[Trouble, ...] = ()
        self.loss, self.delay_ns = 0.0, 0

    def hinder(self, trouble: Trouble) -> None:
        self._now((*self.troubles, trouble))

    def ease(self, trouble: Trouble) -> None:
        """One such less."""
        place = self.troubles.index(trouble)
        self._now(self.troubles[:place] + self.troubles[place + 1 :])

    def _now(self, troubles: tuple[Trouble, ...]) -> None:
        """Worked out anew, so that nothing of a trouble that went stays behind as a rounding."""
        self.troubles = troubles
        passes = 1.0
        for trouble in troubles:
            passes *= 1.0 - trouble.loss
        self.loss = 1.0 - passes
        self.delay_ns = min(DELAY_NS_MAX, sum(trouble.delay_ns for trouble in troubles))


class Way(Troubled):
    __slots__ = ("air", "links", "receiver", "sender", "shut_by", "tampers")

    def __init__(self, sender: str, receiver: str, air: Troubled) -> None:
        """`air`: the whole medium's troubles."""
        super().__init__()
        self.sender, self.receiver, self.air = sender, receiver, air
        self.shut_by = 0  # how many causes keep it shut: out of hearing, a partition, another one
        self.tampers: tuple[Tamper, ...] = ()
        self.links: dict[SimLink, None] = {}  # which send this way

    @property
    def open(self) -> bool:
        return not self.shut_by

    @property
    def idle(self) -> bool:
        """Nobody would miss it; made anew it would be the same."""
        return not (self.links or self.troubles)

    def shut(self) -> None:
        """One cause more."""
        self.shut_by += 1
        if self.shut_by == 1:
            for link in list(self.links):
                link.way_shut()

    def reopen(self) -> None:
        """One cause less."""
        assert self.shut_by, "more causes went than came"
        self.shut_by -= 1
        if not self.shut_by:
            for link in list(self.links):
                link.way_open()
