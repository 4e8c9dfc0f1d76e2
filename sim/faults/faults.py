"""A plan on the timeline of a village, and the calm that heals everything.

What has a beginning and an end is a *spell*: it says how it is undone when it begins, and is undone once, at its own
end or in the calm. Ways, disks, sleep and absence count their causes, so that spells may overlap in any way.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import cast

from protocols.errors import SettingsError, StoreError
from sim.faults.behaviours import AT_FRAMES, BEHAVIOURS, Spot
from sim.faults.patience import Patience
from sim.faults.plan import (
    Byzantine,
    ClockStep,
    Clog,
    Crash,
    Cut,
    Disk,
    DiskTrouble,
    Fault,
    Middle,
    Plan,
    Sleep,
    Stop,
    Weather,
)
from sim.host import Host
from sim.media import Medium
from sim.models.way import Trouble
from sim.timeline import NS_PER_MS, NS_PER_S, Entry
from sim.village import Village

RESTART_NS = 5 * NS_PER_S  # after which a supervisor starts a node again that ended over its disk

Undo = Callable[[], None]


class Faults:
    def __init__(self, village: Village, plan: Plan, *, start_ns: int) -> None:
        """`start_ns`: when the storm begins. Raises SettingsError for a host, a medium or a behaviour there is not."""
        self._village, self.plan, self._start_ns = village, plan, start_ns
        for fault in plan.faults:
            _check(village, fault)
        self.dishonest = {
            fault.host: fault.behaviour for fault in plan.faults if isinstance(fault, Byzantine)
        }
        self.spoiled: dict[str, None] = {}  # hosts whose disk lost what it had synced
        self.patience = Patience(plan)
        self.healed_ns: int | None = None
        self._entries: list[Entry] = []
        self._spells: dict[int, Undo] = {}  # under way
        self._numbers = count()
        self._away: dict[str, int] = {}  # host -> causes that keep it off
        self._asleep: dict[str, int] = {}
        self._disks: dict[str, dict[DiskTrouble, int]] = {}
        self._capacities: dict[str, int | None] = {}  # of disks that are full, without that

    def place(self) -> None:
        """On the timeline, from now on."""
        self._village.excuse = self._excuse
        for fault in self.plan.faults:
            at_ns = self._start_ns + fault.at_ms * NS_PER_MS
            self._entries.append(self._village.timeline.at(at_ns, "fault", self._happen, fault))

    def heal(self) -> None:
        """The calm: nothing more goes wrong, what was wrong is right, and everybody who should be there boots.

        Wall clocks stay as they are, and so does what rotted.
        """
        for entry in self._entries:
            self._village.timeline.cancel(entry)
        for spell in list(self._spells):
            self._end(spell)
        self.healed_ns = self._village.timeline.now_ns
        self._village.timeline.note("calm", "everything is healed")
        for host in self._village.hosts.values():
            host.boot()

    # -- facts ------------------------------------------------------------------------------------------------

    def _happen(self, fault: Fault) -> None:  # noqa: C901 - one flat table of facts
        hosts, journal = self._village.hosts, self._village.journal
        journal.count(f"fault_{fault.__struct_config__.tag}")
        match fault:
            case Crash():
                hosts[fault.host].crash(power=fault.power)
                self._begin(fault.down_ms, self._keep_off(hosts[fault.host]))
            case Stop():
                self._stop(hosts[fault.host], fault.away_ms)
            case Sleep():
                self._begin(fault.for_ms, self._put_to_sleep(hosts[fault.host]))
            case Cut():
                media = self._media(fault.media)
                barriers = [(medium, medium.bar(fault.these, one_way=fault.one_way)) for medium in media]
                self._note(",".join(fault.these[:5]), f"cut off {'one way ' if fault.one_way else ''}")
                self._begin(fault.for_ms, lambda: [medium.lift(barrier) for medium, barrier in barriers])
            case Clog():
                self._begin(fault.for_ms, self._clog(fault))
            case Weather():
                self._begin(fault.for_ms, self._weather(fault))
            case ClockStep():
                hosts[fault.host].clock.step(fault.by_ms * NS_PER_MS)
                self._note(fault.host, f"its wall clock jumps by {fault.by_ms} ms")
            case Disk():
                self._trouble_disk(hosts[fault.host], fault)
            case Byzantine():
                spot = Spot(self._village, hosts[fault.host], share=fault.share, number=fault.at_ms)
                self._begin(None, self._misbehave(spot, fault.behaviour))
            case Middle():
                sender = hosts[fault.sender]
                spot = Spot(self._village, sender, fault.receiver, fault.share, fault.at_ms)
                self._begin(fault.for_ms, self._misbehave(spot, fault.behaviour))

    def _stop(self, host: Host, away_ms: int | None) -> None:
        if away_ms is None:
            host.wanted = False
            host.stop()
        else:
            host.stop()
            self._begin(away_ms, self._keep_off(host))

    def _clog(self, fault: Clog) -> Undo:
        trouble = Trouble(fault.loss, fault.delay_ms * NS_PER_MS)
        media, sender, receiver = self._media(()), fault.sender, fault.receiver
        for medium in media:
            medium.ways.hinder(trouble, sender, receiver)
        self._note(sender, f"clogged towards {receiver}")
        return lambda: _all(medium.ways.ease(trouble, sender, receiver) for medium in media)

    def _weather(self, fault: Weather) -> Undo:
        trouble, media = Trouble(fault.loss, fault.delay_ms * NS_PER_MS), self._media(fault.media)
        for medium in media:
            medium.ways.hinder(trouble)
        self._note("weather", f"{fault.loss:.0%} more is lost, {fault.delay_ms} ms more delay")
        return lambda: _all(medium.ways.ease(trouble) for medium in media)

    def _misbehave(self, spot: Spot, name: str) -> Undo:
        behaviour = BEHAVIOURS[name](spot)
        behaviour.start()
        self._note(
            spot.host.name, f"misbehaves: {name}{' towards ' + spot.receiver if spot.receiver else ''}"
        )
        return behaviour.stop

    # -- spells -----------------------------------------------------------------------------------------------

    def _begin(self, for_ms: int | None, undo: Callable[[], object]) -> None:
        """`for_ms` None: until the calm."""
        spell = next(self._numbers)
        self._spells[spell] = lambda: (undo(), None)[1]
        if for_ms is not None:
            self._village.timeline.after(for_ms * NS_PER_MS, "fault", self._end, spell)

    def _end(self, spell: int) -> None:
        """Twice is harmless."""
        undo = self._spells.pop(spell, None)
        if undo is not None:
            undo()

    def _keep_off(self, host: Host) -> Undo:
        _more(self._away, host.name)

        def back() -> None:
            _less(self._away, host.name)
            self._boot(host)

        return back

    def _put_to_sleep(self, host: Host) -> Undo:
        barriers = [(medium, medium.bar((host.name,))) for medium in self._village.media.values()]
        if _more(self._asleep, host.name) == 1:
            host.sleep()

        def wake() -> None:
            if not _less(self._asleep, host.name):
                host.wake()
            for medium, barrier in barriers:
                medium.lift(barrier)
            self._boot(host)

        return wake

    def _boot(self, host: Host) -> None:
        """Unless another cause still keeps it off."""
        if not self._away.get(host.name) and not self._asleep.get(host.name):
            host.boot()

    # -- disks ------------------------------------------------------------------------------------------------

    def _trouble_disk(self, host: Host, fault: Disk) -> None:
        if host.storage is None:
            return  # lane A has none
        platter, causes = host.storage.platter, self._disks.setdefault(host.name, {})
        self._note(host.name, f"its disk: {fault.trouble}")
        if fault.trouble == "rot":
            platter.rot(self._village.dice.die(f"faults/rot/{fault.at_ms}", host.name))
            self.spoiled[host.name] = None
            return
        causes[fault.trouble] = causes.get(fault.trouble, 0) + 1
        if fault.trouble == "full" and causes["full"] == 1:
            self._capacities[host.name] = platter.bytes_max
            platter.bytes_max = platter.bytes_used()
        platter.read_only = bool(causes.get("read_only"))

        def well() -> None:
            causes[fault.trouble] -= 1
            if fault.trouble == "full" and not causes["full"]:
                platter.bytes_max = self._capacities[host.name]
            platter.read_only = bool(causes.get("read_only"))

        self._begin(fault.for_ms, well)

    def _excuse(self, host: Host, error: BaseException) -> bool:
        """A node may end over a disk that takes nothing, saying so; somebody starts it again."""
        troubled = (
            host.name in self._disks or host.name in self.spoiled
        )  # or was: the news may be a moment old
        if not troubled or not _over_disk(error):
            return False
        host.end()
        self._village.journal.count("ended_over_disk")
        self._note(host.name, f"its node ends over its disk: {error!r}")
        self._village.timeline.after(RESTART_NS, "restart", self._boot, host)
        return True

    def _media(self, schemes: Iterable[str]) -> list[Medium]:
        chosen = tuple(schemes) or tuple(self._village.media)
        return [self._village.media[scheme] for scheme in chosen]

    def _note(self, who: str, text: str) -> None:
        self._village.timeline.note(who, text)


def _over_disk(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_over_disk, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, StoreError)


def _all(done: Iterable[object]) -> None:
    for _ in done:
        pass


def _more(causes: dict[str, int], name: str) -> int:
    causes[name] = causes.get(name, 0) + 1
    return causes[name]


def _less(causes: dict[str, int], name: str) -> int:
    causes[name] -= 1
    return causes[name]


def _check(village: Village, fault: Fault) -> None:
    hosts: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    match fault:
        case Cut():
            hosts, media = fault.these, fault.media
        case Weather():
            media = fault.media
        case Clog() | Middle():
            hosts = (fault.sender, fault.receiver)
        case Crash() | Stop() | Sleep() | ClockStep() | Disk() | Byzantine():
            hosts = (fault.host,)
    for name in hosts:
        if name not in village.hosts:
            raise SettingsError(f"the plan names a host {name!r}; there is none in this run")
    for scheme in media:
        if scheme not in village.media:
            raise SettingsError(f"the plan names a medium {scheme!r}; there are {', '.join(village.media)}")
    known = AT_FRAMES if isinstance(fault, Middle) else BEHAVIOURS
    if isinstance(fault, Byzantine | Middle) and fault.behaviour not in known:
        raise SettingsError(f"there is no behaviour {fault.behaviour!r} there; there are {', '.join(known)}")
