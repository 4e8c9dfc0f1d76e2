"""Where neighbours see us: what they told, kept for a while, and what follows from it."""

from dataclasses import dataclass

from meshnode.services.reach.limits import OUTSIDE_MAX, MeetingLimits
from policies.reach import Observation, Place, Reach, ReachView, Side, judge_reach
from protocols.ids import NodeId

VERSIONS = (4, 6)


@dataclass(frozen=True, slots=True)
class Told:
    observation: Observation
    at_ns: int


class Lookout:
    def __init__(self, limits: MeetingLimits) -> None:
        self.own: tuple[Place, ...] = ()  # of this machine's interfaces
        self.forwarded: Place | None = None  # by our router
        self._limits = limits
        self._told: dict[NodeId, Told] = {}  # oldest first
        self._asked: dict[NodeId, int] = {}  # when; bounded like the observations

    @property
    def observers(self) -> int:
        return len(self._told)

    def is_due(self, peer: NodeId, *, soon: bool, now_ns: int) -> bool:
        """True where it should be asked; it counts as asked then. `soon`: somebody is to be met there."""
        asked_ns = self._asked.pop(peer, None)
        pause_ns = self._limits.ask_soon_ns if soon else self._limits.ask_ns
        if asked_ns is not None and now_ns - asked_ns < pause_ns:
            self._asked[peer] = asked_ns
            return False
        self._asked[peer] = now_ns
        if len(self._asked) > self._limits.observations_max:
            del self._asked[next(iter(self._asked))]
        return True

    def is_doubtful(self, peer: NodeId) -> bool:
        """What it told is older than what contradicts it: a NAT that restarted must not look like a symmetric one."""
        told = self._told.get(peer)
        if told is None:
            return False
        newest = next(reversed(self._told.values()))
        contradicted = newest.observation.called and newest.observation.seen != told.observation.seen
        same_version = version_of(newest.observation.seen) == version_of(told.observation.seen)
        return contradicted and same_version and newest.at_ns - told.at_ns >= self._limits.ask_soon_ns

    def note(self, peer: NodeId, observation: Observation, *, now_ns: int) -> None:
        self._told.pop(peer, None)
        self._told[peer] = Told(observation, now_ns)
        if len(self._told) > self._limits.observations_max:
            del self._told[next(iter(self._told))]

    def forget(self) -> None:
        """We are on another network."""
        self._told.clear()
        self._asked.clear()

    def reach(self, *, now_ns: int) -> dict[int, Reach]:
        """By IP version; of those that this machine has."""
        since_ns = now_ns - self._limits.observation_ns
        self._told = {peer: told for peer, told in self._told.items() if told.at_ns >= since_ns}
        found: dict[int, Reach] = {}
        for version in VERSIONS:
            own = tuple(place.host for place in self.own if version_of(place) == version)
            observations = tuple(
                told.observation
                for told in self._told.values()
                if version_of(told.observation.seen) == version
            )
            forwarded = self.forwarded
            if forwarded is not None and version_of(forwarded) != version:
                forwarded = None
            if own:
                found[version] = judge_reach(ReachView(own, observations, forwarded))
        return found

    def side(self, *, now_ns: int) -> Side:
        """What we tell a peer that we want to meet."""
        reach = self.reach(now_ns=now_ns)
        outside = [each.place for each in reach.values() if each.place is not None]
        seen = [told.observation.seen for told in reversed(self._told.values())]
        own = set(self.own)
        places = [place for place in dict.fromkeys([*outside, *seen]) if place not in own]
        kind = reach[4].kind if 4 in reach else reach[6].kind if 6 in reach else "unknown"
        return Side(kind, self.own, tuple(places[:OUTSIDE_MAX]))

    def uninvited(self, *, now_ns: int) -> tuple[Place, ...]:
        """Where anybody comes in, beside the addresses of our interfaces."""
        reach = self.reach(now_ns=now_ns).values()
        own = set(self.own)
        return tuple(
            each.place
            for each in reach
            if each.uninvited and each.place is not None and each.place not in own
        )


def version_of(place: Place) -> int:
    return 6 if ":" in place.host else 4
