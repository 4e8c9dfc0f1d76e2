"""Who hears whom over the media that end at some distance, as people stand, walk, or met in a trace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from protocols.errors import SettingsError
from sim.dice import Dice
from sim.media import Medium
from sim.models.movement import (
    Area,
    ContactChange,
    ContactTrace,
    ContactWatch,
    Gait,
    Mover,
    Position,
    Still,
    Streets,
    WorkingDays,
    clusters,
    contacts,
    group,
    lattice,
    random_geometric,
    random_waypoint,
    read_contacts,
    street_walk,
    working_days,
)
from sim.scenario import Movement, Place, Scenario
from sim.timeline import NS_PER_S, Timeline

LOCAL_RANGE_M = 30.0  # BLE indoors; where a scenario says nothing else
GAP_RANGES = 3.0  # between clusters, in ranges
DAY_S = 86_400
DENSEST = 0.8  # of the others are heard at most: in a smaller village than its scenario's
BLOCKS = 8  # of streets, on each side of a place
GROUP_RADIUS_SHARE = 0.4  # of the range: a group hears itself


@dataclass
class Crowd:
    """`movers` and `homes` are in the order of `names`; both are empty where nobody is anywhere."""

    names: list[str]
    feet: Mapping[str, tuple[str, ...]]  # the media that each has a foot in
    range_m: float
    sample_ns: int
    movers: Sequence[Mover] = ()
    homes: Sequence[int | None] = ()  # of clusters; None: stands on a bridge
    trace: ContactTrace | None = None
    area: Area | None = None
    _first: list[Position] = field(default_factory=list[Position])
    _near: list[tuple[int, int]] | None = None  # asked once, before anybody walks
    _changes: Iterator[ContactChange] = field(default_factory=lambda: iter(()))

    def positions(self, now_ns: int) -> list[Position]:
        return [mover.at(now_ns) for mover in self.movers]

    def places_at_start(self) -> list[Position]:
        """Before anybody has walked."""
        if not self._first:
            self._first = self.positions(0)
        return self._first

    def near(self) -> list[tuple[int, int]]:
        """Who hear each other before anything has moved; of a trace, all who ever do."""
        if self._near is None:
            if self.trace is not None:
                self._near = sorted({(contact.a, contact.b) for contact in self.trace.contacts})
            elif self.movers:
                self._near = contacts(self.places_at_start(), self.range_m)
            else:
                self._near = [(one, other) for other in range(len(self.names)) for one in range(other)]
        return self._near

    def start(self, timeline: Timeline, near: Sequence[Medium], housed: Sequence[Medium]) -> None:
        """From now on `near` media follow distance (or the trace); `housed` ones join whoever has the same home."""
        for medium in housed:
            self._join_homes(medium)
        if self.movers:
            self.places_at_start()
        if not near:
            return
        if self.trace is not None:
            self._changes = self.trace.changes()
            self._follow(timeline, near, next(self._changes, None))
        elif self.movers:
            watch = ContactWatch(self.range_m)
            still = all(isinstance(mover, Still) for mover in self.movers)
            self._look(timeline, near, watch, once=still)
        else:
            for medium in near:
                self._join(medium, list(range(len(self.names))))

    def _look(self, timeline: Timeline, media: Sequence[Medium], watch: ContactWatch, *, once: bool) -> None:
        for change in watch.update(timeline.now_ns, self.positions(timeline.now_ns)):
            self._apply(media, change)
        if not once:
            timeline.after(self.sample_ns, "look", lambda: self._look(timeline, media, watch, once=False))

    def _follow(self, timeline: Timeline, media: Sequence[Medium], change: ContactChange | None) -> None:
        """The trace, as far as it is due."""
        while change is not None and change.at_ns <= timeline.now_ns:
            self._apply(media, change)
            change = next(self._changes, None)
        if change is not None:
            timeline.at(change.at_ns, "contact", self._follow, timeline, media, change)

    def _apply(self, media: Sequence[Medium], change: ContactChange) -> None:
        one, other = self.names[change.a], self.names[change.b]
        for medium in media:
            if self._has(one, medium) and self._has(other, medium):
                tell = medium.meet if change.up else medium.part
                tell(one, other)

    def _has(self, name: str, medium: Medium) -> bool:
        return medium.kind.scheme in self.feet[name]

    def _join_homes(self, medium: Medium) -> None:
        members: dict[int, list[int]] = {}
        for index in range(len(self.names)):
            home = self.homes[index] if self.homes else 0
            if home is not None:
                members.setdefault(home, []).append(index)
        for each in members.values():
            self._join(medium, each)

    def _join(self, medium: Medium, members: Sequence[int]) -> None:
        names = [self.names[index] for index in members if self._has(self.names[index], medium)]
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                medium.meet(one, other)


def make_crowd(
    scenario: Scenario,
    feet: Mapping[str, tuple[str, ...]],
    dice: Dice,
    *,
    range_m: float,
    read: Callable[[str], bytes],
) -> Crowd:
    """`feet`: name -> media. `read` gives the bytes of a trace file. Raises SettingsError."""
    place, movement, names = scenario.place, scenario.movement, list(feet)
    crowd = Crowd(names, feet, range_m, int(movement.sample_s * NS_PER_S))
    if movement.kind == "working-days":
        days = ceil((scenario.warm_s + scenario.storm_s + scenario.calm_s) / DAY_S)
        crowd.trace = working_days(dice.die("working days"), WorkingDays(people=len(names), days=days))
    elif movement.kind == "trace":
        crowd.trace = read_contacts(read(movement.trace))
        if crowd.trace.nodes < len(names):
            raise SettingsError(
                f"the trace has {crowd.trace.nodes} nodes, the scenario {len(names)}; lower nodes"
            )
    elif place.kind != "everywhere":
        _settle(crowd, place, movement, dice)
    elif movement.kind != "still":
        raise SettingsError(f"movement.kind {movement.kind!r} needs a place.kind other than 'everywhere'")
    return crowd


def _settle(crowd: Crowd, place: Place, movement: Movement, dice: Dice) -> None:
    count, range_m = len(crowd.names), crowd.range_m
    die = dice.die("place")
    if count < 2:
        crowd.area, crowd.movers = Area(range_m, range_m), [Still(Position(0.0, 0.0))] * count
        return
    number = min(place.clusters, count // 2) if place.kind == "clusters" else 1
    degree = min(place.degree, DENSEST * (count // number - 1))
    if place.kind == "clusters":
        gap_m = GAP_RANGES * range_m
        ground = clusters(die, count, number=number, degree=degree, range_m=range_m, gap_m=gap_m)
    else:
        ground = random_geometric(die, count, degree=degree, range_m=range_m)
        if place.kind == "grid":
            ground = lattice(ground.area, count)
    crowd.area, crowd.homes = ground.area, ground.homes
    crowd.movers = _movers(crowd, ground.positions, movement, dice)


def _movers(crowd: Crowd, positions: Sequence[Position], movement: Movement, dice: Dice) -> Sequence[Mover]:
    assert crowd.area is not None, "who walks, walks somewhere"
    area, names = crowd.area, crowd.names
    gait = Gait(movement.speed_m_s, movement.pause_s)
    if movement.kind == "waypoint":
        return [
            random_waypoint(dice.die("walk", name), area, gait=gait, start=start)
            for name, start in zip(names, positions, strict=True)
        ]
    if movement.kind == "streets":
        streets = Streets(BLOCKS, BLOCKS, area.width_m / BLOCKS)
        crowd.area = streets.area
        return [street_walk(dice.die("walk", name), streets, gait=gait) for name in names]
    if movement.kind == "groups":
        movers: list[Mover] = []
        for first in range(0, len(names), movement.group_size):
            members = names[first : first + movement.group_size]
            walkers = [dice.die("walk", name) for name in members]
            radius_m = GROUP_RADIUS_SHARE * crowd.range_m
            movers += group(dice.die("lead", members[0]), walkers, area, radius_m=radius_m, gait=gait)
        return movers
    return [Still(position) for position in positions]
