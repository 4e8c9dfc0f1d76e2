"""What hosts with a battery draw, and what becomes of them when it is empty."""

from dataclasses import dataclass

from sim.daemon import Daemon
from sim.host import Host
from sim.models.battery import RADIOS, RadioUse
from sim.timeline import NS_PER_S
from sim.village import Village

LOOK_NS = 5 * NS_PER_S  # between two looks at who keeps how many links and listens how much
PPM = 1_000_000
UW_NS_PER_NJ = 1_000_000


@dataclass
class Power:
    """Follows what each node's energy policy allows. Lane A has no policy that hears of the device: always on."""

    village: Village
    saved_nj: int = 0  # by not listening, against a radio that always does

    def start(self) -> None:
        if any(host.battery is not None for host in self.village.hosts.values()):
            self._look()

    def _look(self) -> None:
        for host in self.village.hosts.values():
            if host.battery is not None:
                self._follow(host)
        self.village.timeline.after(LOOK_NS, "power", self._look)

    def _follow(self, host: Host) -> None:
        battery, now_ns = host.battery, self.village.timeline.now_ns
        assert battery is not None, "asked of those that have one"
        if battery.is_empty(now_ns):
            if host.up:
                self.village.timeline.note(host.name, "its battery is empty")
                host.crash(power=True)
                self.village.journal.count("batteries_empty")
            host.wanted = False
            return
        battery.switch(on=host.up, now_ns=now_ns)
        if host.up and "ble" in host.media:
            share = scan_share(host)
            links = self.village.media["ble"].links_of(host.name)
            use = RadioUse(scan_ppm=round(share * PPM), advertises=True, links=links)
            battery.use("ble", use, now_ns=now_ns)
            self.saved_nj += round(RADIOS["ble"].scan_uw * (1 - share) * LOOK_NS / UW_NS_PER_NJ)


def scan_share(host: Host) -> float:
    """Of the time, as the node's energy policy allows."""
    if isinstance(host.process, Daemon) and host.process.node is not None:
        return host.process.node.driver.mesh.manager.energy.allowance.scan_duty
    return 1.0
