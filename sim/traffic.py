"""Who writes to whom, and when."""

from sim.host import Host
from sim.scenario import Scenario
from sim.timeline import NS_PER_S
from sim.village import Village

MINUTE_S = 60


def place_traffic(village: Village, scenario: Scenario, start_ns: int, end_ns: int) -> None:
    """Each host writes at its own mean rate, as by a Poisson process; each has its own die. Shouts are spread evenly."""
    _place_shouts(village, scenario, start_ns, end_ns)
    rate = scenario.traffic.letters_per_host_min / (MINUTE_S * NS_PER_S)
    if not rate:
        return
    hosts = list(village.hosts.values())
    for host in hosts:
        die = village.dice.die("traffic", host.name)
        at_ns = start_ns + int(die.expovariate(rate))
        while at_ns < end_ns:
            others = host.acquaintances if scenario.traffic.to == "acquaintances" else hosts
            other = die.choice(others) if others else host
            if other is not host:
                village.timeline.at(at_ns, "write", _write, host, other)
            at_ns += int(die.expovariate(rate))


def _place_shouts(village: Village, scenario: Scenario, start_ns: int, end_ns: int) -> None:
    die, hosts = village.dice.die("shouts"), list(village.hosts.values())
    for _ in range(scenario.traffic.broadcasts):
        village.timeline.at(die.randrange(start_ns, end_ns), "shout", die.choice(hosts).shout)


def _write(host: Host, other: Host) -> None:
    """Somebody whose node is off does not write: that is nobody's loss."""
    if host.up:
        host.send(other)
