"""A plan from a seed, by swarm testing: whether this run has a kind of fault at all, and how much of it, is drawn too.

Few kinds at full strength find what all kinds at once hide. Each kind has a die of its own for each host; whom a fault
of the whole village hits is drawn by lots, one for each host. So a host or a kind less leaves the rest as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from math import cos, pi, sin
from random import Random

from protocols.errors import SettingsError
from sim.dice import Dice
from sim.faults.behaviours import BEHAVIOURS
from sim.faults.plan import (
    FAULTS_MAX,
    Byzantine,
    ClockStep,
    Clog,
    Crash,
    Cut,
    Disk,
    Fault,
    Plan,
    Sleep,
    Stop,
    Weather,
)
from sim.models.chance import Chance
from sim.models.movement import Position
from sim.scenario import Scenario, Span

MINUTE_MS = 60_000
HAS = 0.5  # of the runs have a given kind
STRENGTH = (0.2, 1.0)  # of the scenario's rates and worst cases, where a run has it
SHAPES = ("chance", "place", "isolate", "swizzle")  # of partitions
SWIZZLED_MAX = 8  # hosts
SWIZZLE = 0.5  # of a swizzle's time goes by until all are cut off, and as much while they come back
BYZANTINE_BEGIN = 0.1  # of the storm, at most, until somebody misbehaves

Friends = Callable[[str], Sequence[str]]


def draw_plan(
    scenario: Scenario,
    hosts: Sequence[str],
    dice: Dice,
    *,
    places: Sequence[Position] = (),
    friends: Friends | None = None,
) -> Plan:
    """`places`: where the hosts are when the storm begins, for partitions by place. `friends`: who has links with a
    host, for clogs. Raises SettingsError for a behaviour that there is none of.
    """
    draw = _Draw(scenario, hosts, dice, places, friends)
    faults = sorted(draw.all(), key=lambda fault: fault.at_ms)
    stride = -(-len(faults) // FAULTS_MAX) or 1  # too many: every second, every third, ...
    return Plan(tuple(faults[::stride]))


class _Draw:
    def __init__(
        self,
        scenario: Scenario,
        hosts: Sequence[str],
        dice: Dice,
        places: Sequence[Position],
        friends: Friends | None,
    ) -> None:
        self._storm, self._ms = scenario.storm, int(scenario.storm_s * 1_000)
        self._hosts, self._dice, self._places, self._friends = hosts, dice, places, friends

    def all(self) -> Iterator[Fault]:
        storm = self._storm
        for host, die, at_ms in self._of_hosts("crash", storm.crashes_per_host_min):
            down_ms, power = _ms(die, storm.down_s), die.random() < storm.power
            yield Crash(at_ms=at_ms, host=host, down_ms=down_ms, power=power)
        for host, die, at_ms in self._of_hosts("stop", storm.stops_per_host_min):
            yield Stop(at_ms=at_ms, host=host, away_ms=_ms(die, storm.away_s))
        for host, die, at_ms in self._of_hosts("sleep", storm.sleeps_per_host_min):
            yield Sleep(at_ms=at_ms, host=host, for_ms=_ms(die, storm.sleep_s))
        for host, die, at_ms in self._of_hosts("clock_step", storm.clock_steps_per_host_min):
            most_ms = storm.clock_step_s * 1_000 * self._strength("clock_step")
            yield ClockStep(at_ms=at_ms, host=host, by_ms=round(die.uniform(-most_ms, most_ms)))
        for host, die, at_ms in self._of_hosts("disk", storm.disk_troubles_per_host_min):
            trouble = "full" if die.random() < 0.5 else "read_only"
            yield Disk(at_ms=at_ms, host=host, trouble=trouble, for_ms=_ms(die, storm.disk_trouble_s))
        yield from self._cuts()
        yield from self._clogs()
        yield from self._weather()
        yield from self._byzantine()

    # -- chance -----------------------------------------------------------------------------------------------

    def _strength(self, kind: str) -> float:
        """0: this run has none of it."""
        if not self._storm.swarm:
            return 1.0
        die = self._dice.die(f"faults/swarm/{kind}")
        has, strength = die.random() < HAS, die.uniform(*STRENGTH)
        return strength if has else 0.0

    def _of_hosts(self, kind: str, per_min: float) -> Iterator[tuple[str, Random, int]]:
        rate = per_min * self._strength(kind)
        if rate:
            for host in self._hosts:
                die = self._dice.die(f"faults/{kind}", host)
                for at_ms in self._times(die, rate):
                    yield host, die, at_ms

    def _of_village(self, kind: str, per_min: float) -> Iterator[tuple[int, Random, int]]:
        """Each has its number and a die of its own: what one looks like does not change the next."""
        rate = per_min * self._strength(kind)
        if rate:
            for number, at_ms in enumerate(self._times(self._dice.die(f"faults/{kind}"), rate)):
                yield number, self._dice.die(f"faults/{kind}/{number}"), at_ms

    def _times(self, die: Random, per_min: float) -> Iterator[int]:
        """A Poisson process."""
        at_ms = die.expovariate(1.0) * MINUTE_MS / per_min
        while at_ms < self._ms:
            yield int(at_ms)
            at_ms += die.expovariate(1.0) * MINUTE_MS / per_min

    def _lot(self, concern: str, host: str) -> float:
        return Chance(f"{self._dice.seed}/faults/{concern}/{host}").random()

    def _lowest(self, concern: str, hosts: Sequence[str], number: int) -> list[str]:
        """Those who drew the lowest lots, in the order of their lots."""
        if number == 1 and hosts:
            return [min(hosts, key=lambda host: self._lot(concern, host))]
        return sorted(hosts, key=lambda host: self._lot(concern, host))[:number]

    # -- of the whole village ---------------------------------------------------------------------------------

    def _cuts(self) -> Iterator[Cut]:
        for number, die, at_ms in self._of_village("cut", self._storm.cuts_per_min):
            storm = self._storm
            shape, concern, for_ms = (
                die.choice(storm.cut_shapes or SHAPES),
                f"cut/{number}",
                _ms(die, storm.cut_s),
            )
            one_way, within = die.random() < storm.cut_one_way, die.uniform(*storm.cut_share)
            if shape == "swizzle":
                yield from self._swizzle(concern, at_ms, for_ms)
                continue
            if shape == "isolate":
                these = self._lowest(concern, self._hosts, 1)
            elif shape == "place":
                these = self._side(die, within)
            else:
                these = [host for host in self._hosts if self._lot(concern, host) < within]
            if 0 < len(these) < len(self._hosts):
                yield Cut(at_ms=at_ms, these=tuple(these), for_ms=for_ms, one_way=one_way)

    def _side(self, die: Random, within: float) -> list[str]:
        """Of a line across the place; where nobody is anywhere, neighbours are those of similar number."""
        angle = die.uniform(0, 2 * pi)
        hosts = list(self._hosts)
        if self._places:
            east, north = cos(angle), sin(angle)
            far = {
                host: place.x_m * east + place.y_m * north
                for host, place in zip(self._hosts, self._places, strict=True)
            }
            hosts.sort(key=lambda host: far[host])
        else:
            first = int(angle / (2 * pi) * len(hosts))
            hosts = hosts[first:] + hosts[:first]
        return hosts[: max(1, round(within * len(hosts)))]

    def _swizzle(self, concern: str, at_ms: int, for_ms: int) -> Iterator[Cut]:
        """Some hosts are cut off one by one, and come back one by one in another order."""
        leaving = self._lowest(concern, self._hosts, min(SWIZZLED_MAX, len(self._hosts) // 2))
        coming = self._lowest(f"{concern}/back", leaving, len(leaving))
        step_ms = int(for_ms * SWIZZLE / max(1, len(leaving)))
        for place, host in enumerate(leaving):
            left_ms, back_ms = place * step_ms, for_ms + coming.index(host) * step_ms
            yield Cut(at_ms=at_ms + left_ms, these=(host,), for_ms=max(1, back_ms - left_ms))

    def _clogs(self) -> Iterator[Clog]:
        strength = self._strength("clog")
        for number, die, at_ms in self._of_village("clog", self._storm.clogs_per_min):
            sender = next(iter(self._lowest(f"clog/{number}", self._hosts, 1)), "")
            friends = self._hosts if self._friends is None else self._friends(sender) or self._hosts
            others = [host for host in friends if host != sender]
            loss, delay_ms = self._worst(die, strength)
            for receiver in self._lowest(f"clog/{number}/to", others, 1):
                for_ms = _ms(die, self._storm.clog_s)
                yield Clog(
                    at_ms=at_ms, sender=sender, receiver=receiver, for_ms=for_ms, loss=loss, delay_ms=delay_ms
                )

    def _weather(self) -> Iterator[Weather]:
        strength = self._strength("weather")
        for _, die, at_ms in self._of_village("weather", self._storm.weather_per_min):
            loss, delay_ms = self._worst(die, strength)
            yield Weather(at_ms=at_ms, for_ms=_ms(die, self._storm.weather_s), loss=loss, delay_ms=delay_ms)

    def _worst(self, die: Random, strength: float) -> tuple[float, int]:
        """Loss and delay, up to what the scenario allows."""
        loss = round(die.uniform(0, self._storm.loss) * strength, 3)
        return loss, round(die.uniform(0, self._storm.delay_ms) * strength)

    def _byzantine(self) -> Iterator[Byzantine]:
        names = self._storm.behaviours or tuple(BEHAVIOURS)
        for name in names:
            if name not in BEHAVIOURS:
                raise SettingsError(f"there is no behaviour {name!r}; there are {', '.join(BEHAVIOURS)}")
        number = round(self._storm.byzantine * self._strength("byzantine") * len(self._hosts))
        for host in self._lowest("byzantine", self._hosts, number):
            die = self._dice.die("faults/byzantine", host)
            at_ms, behaviour = int(die.uniform(0, BYZANTINE_BEGIN) * self._ms), die.choice(names)
            share = round(die.uniform(*STRENGTH), 2) if self._storm.swarm else 1.0
            yield Byzantine(at_ms=at_ms, host=host, behaviour=behaviour, share=share)


def _ms(die: Random, span_s: Span) -> int:
    return int(die.uniform(*span_s) * 1_000)
