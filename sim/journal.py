"""What people asked for and what came of it: the truth that oracles and metrics are read from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sim.shouts import Shouts
from sim.timeline import Timeline

PREFIX = "letter "


@dataclass(slots=True)
class Letter:
    """One message that somebody at `sender` wrote to somebody at `receiver`."""

    number: int
    sender: str
    receiver: str
    offered_ns: int
    accepted_ns: int | None = None  # the sender's node said that it is safe
    refused: str = ""  # why the sender's node would not have it
    arrivals: list[int] = field(default_factory=list[int])  # each time the receiver's application got it

    @property
    def text(self) -> str:
        return f"{PREFIX}{self.number}"

    @property
    def latency_ns(self) -> int | None:
        return self.arrivals[0] - self.offered_ns if self.arrivals else None


@dataclass(frozen=True, slots=True)
class Stray:
    """Something arrived that nobody wrote, or somewhere else, or from somebody else."""

    at: str
    claimed_sender: str
    text: str
    when_ns: int


class Witness(Protocol):
    """Hears of each entry as it is made."""

    def accepted(self, letter: Letter) -> None: ...

    def arrived(self, letter: Letter) -> None:
        """`arrivals` has it already."""
        ...

    def strayed(self, stray: Stray) -> None: ...

    def told(self, host: str, event: str, message_id: str) -> None:
        """A node told its owner what became of a message."""
        ...


class Journal:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._letters: list[Letter] = []
        self.strays: list[Stray] = []
        self.counts: dict[str, int] = {}  # boots, crashes, links, ...; words are fixed
        self.witnesses: list[Witness] = []
        self.shouts = Shouts(timeline)
        self.meetings: list[tuple[int, str, str]] = []  # each time that two hosts got their first link

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._letters)

    def __getitem__(self, number: int) -> Letter:
        return self._letters[number]

    def __len__(self) -> int:
        return len(self._letters)

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    def meet(self, one: str, other: str) -> None:
        self.meetings.append((self._timeline.now_ns, one, other))

    def offer(self, sender: str, receiver: str) -> Letter:
        letter = Letter(len(self._letters), sender, receiver, self._timeline.now_ns)
        self._letters.append(letter)
        self._timeline.note(sender, f"writes letter {letter.number} to {receiver}")
        return letter

    def accept(self, letter: Letter) -> None:
        letter.accepted_ns = self._timeline.now_ns
        self._timeline.note(letter.sender, f"keeps letter {letter.number}")
        for witness in self.witnesses:
            witness.accepted(letter)

    def refuse(self, letter: Letter, why: str) -> None:
        letter.refused = why
        self._timeline.note(letter.sender, f"refuses letter {letter.number}: {why}")

    def arrive(self, at: str, claimed_sender: str, text: str) -> None:
        """An application got `text`, which its node says is from `claimed_sender`."""
        letter = self._find(text)
        if letter is None or (letter.receiver, letter.sender) != (at, claimed_sender):
            stray = Stray(at, claimed_sender, text, self._timeline.now_ns)
            self.strays.append(stray)
            for witness in self.witnesses:
                witness.strayed(stray)
            return
        letter.arrivals.append(self._timeline.now_ns)
        self._timeline.note(at, f"reads letter {letter.number} of {letter.sender}")
        for witness in self.witnesses:
            witness.arrived(letter)

    def tell(self, host: str, event: str, message_id: str) -> None:
        """A node told its owner what became of a message."""
        for witness in self.witnesses:
            witness.told(host, event, message_id)

    def _find(self, text: str) -> Letter | None:
        number = text.removeprefix(PREFIX)
        if number == text or not number.isdigit() or int(number) >= len(self._letters):
            return None
        return self._letters[int(number)]
