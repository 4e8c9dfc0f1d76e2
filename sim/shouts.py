"""Broadcasts: who called out what to everybody around, who could have heard it, and who did, when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sim.timeline import NS_PER_S, Timeline

PREFIX = "shout "
FIRST_PASS_NS = 5 * NS_PER_S  # a flood is over by then, and sync compares three times as late


@dataclass(slots=True)
class Shout:
    number: int
    sender: str
    at_ns: int
    reachable: tuple[
        str, ...
    ]  # over links that were up when it was called out, or may be in the calm; not the sender
    heard: dict[str, int] = field(default_factory=dict[str, int])  # host -> when first

    @property
    def text(self) -> str:
        return f"{PREFIX}{self.number}"

    def heard_within(self, span_ns: int) -> float:
        """Share of those who could."""
        if not self.reachable:
            return 1.0
        in_time = sum(
            1
            for host in self.reachable
            if self.heard.get(host, self.at_ns + span_ns + 1) <= self.at_ns + span_ns
        )
        return in_time / len(self.reachable)


class Shouts:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._shouts: list[Shout] = []
        self.heard_again = (
            0  # by an application that had it: after a restart of a bare core, which keeps nothing
        )

    def __iter__(self) -> Iterator[Shout]:
        return iter(self._shouts)

    def __len__(self) -> int:
        return len(self._shouts)

    def call(self, sender: str, reachable: Sequence[str]) -> Shout:
        shout = Shout(len(self._shouts), sender, self._timeline.now_ns, tuple(reachable))
        self._shouts.append(shout)
        self._timeline.note(sender, f"shouts {shout.number}")
        return shout

    def hear(self, host: str, text: str) -> None:
        number = text.removeprefix(PREFIX)
        if number == text or not number.isdigit() or int(number) >= len(self._shouts):
            return
        shout = self._shouts[int(number)]
        if host in shout.heard:
            self.heard_again += 1
        else:
            shout.heard[host] = self._timeline.now_ns
            self._timeline.note(host, f"hears shout {number}")


@dataclass(frozen=True, slots=True)
class Healing:
    """What a cut kept back, and when it came after its end."""

    missing: int  # (host, shout) pairs at the end of the cut
    after_ns: tuple[int, ...]  # of those that came, in order

    def when(self, share: float) -> int | None:
        """After how long so much of it had come; None: it never did."""
        wanted = max(1, round(share * self.missing))
        return self.after_ns[wanted - 1] if wanted <= len(self.after_ns) else None


def healing_of(shouts: Sequence[Shout], hosts: Sequence[str], healed_ns: int) -> Healing:
    """Of all that was shouted before that moment and that somebody lacked then."""
    missing, after_ns = 0, list[int]()
    for shout in shouts:
        if shout.at_ns >= healed_ns:
            continue
        for host in hosts:
            heard_ns = shout.heard.get(host)
            if host != shout.sender and (heard_ns is None or heard_ns > healed_ns):
                missing += 1
                if heard_ns is not None:
                    after_ns.append(heard_ns - healed_ns)
    return Healing(missing, tuple(sorted(after_ns)))


def component_of(start: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """All that are joined to it, without itself, in the order of their distance."""
    near: dict[str, list[str]] = {}
    for one, other in pairs:
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    found, edge = {start: None}, [start]
    while edge:
        edge = [
            other
            for host in edge
            for other in near.get(host, ())
            if other not in found and found.setdefault(other) is None
        ]
    return list(found)[1:]
