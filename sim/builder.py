"""A village as a scenario describes it. The one place of the simulator that knows all its parts."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from meshnode.identity import SEED_FILE
from meshnode.settings import NodeSettings
from protocols.errors import SettingsError
from protocols.keys import encode_seed_file
from sim.core import Core
from sim.crowd import LOCAL_RANGE_M, Crowd, make_crowd
from sim.crypto import HashSuite, SharedSuite
from sim.daemon import Daemon
from sim.dice import Dice
from sim.disk import Disks, SimStorage
from sim.host import Host
from sim.media import MediumKind
from sim.models.battery import PHONE, Battery
from sim.models.clock import SimClock
from sim.models.movement import TRACE_BYTES_MAX
from sim.models.wire import Conditions
from sim.scenario import Medium as MediumTable
from sim.scenario import Scenario
from sim.timeline import NS_PER_MS, NS_PER_S, Timeline
from sim.village import Lane, Village
from transports.api import LinkTraits

MJ_PER_MWH = 3_600
COMMIT_NS = (200_000, 5_000_000)  # from a good SSD to a slow SD card

KINDS = {
    # A home's uplink and the internet behind it; research/sim-routing.md, section 5.
    "ip": MediumKind(
        "ip",
        LinkTraits("quic", 1_200, has_reliable_lane=True),
        Conditions(delay_min_ns=10 * NS_PER_MS, delay_mean_ns=30 * NS_PER_MS, dead_ns=8 * NS_PER_S),
        everywhere=True,
    ),
    "lan": MediumKind(
        "lan",
        LinkTraits("quic", 1_200, has_reliable_lane=True),
        Conditions(delay_min_ns=NS_PER_MS, delay_mean_ns=2 * NS_PER_MS, dead_ns=8 * NS_PER_S),
    ),
    # A connection of Bluetooth LE: 5 to 30 ms a hop, some 20 kB/s, seven links (BitChat holds six and itself).
    "ble": MediumKind(
        "ble",
        LinkTraits("ble", 469, has_reliable_lane=True, on_network=False, is_radio=True, cost=0.3),
        Conditions(
            delay_min_ns=5 * NS_PER_MS,
            delay_mean_ns=12 * NS_PER_MS,
            loss=0.1,
            bytes_per_s=20_000,
            dead_ns=4 * NS_PER_S,
        ),
        links_max=7,
    ),
}


@dataclass
class Settlement:
    """A village with its crowd, nothing of it started yet."""

    village: Village
    crowd: Crowd

    def start(self) -> None:
        """Now everybody hears whom they hear, and boots."""
        village = self.village
        local = [medium for medium in village.media.values() if not medium.kind.everywhere]
        housed = [medium for medium in local if medium.kind.scheme == "lan"]
        near = [medium for medium in local if medium.kind.scheme != "lan"]
        self.crowd.start(village.timeline, near, housed)
        village.boot_all()


def settle(scenario: Scenario, seed: int, timeline: Timeline, disks: Disks) -> Settlement:
    """Raises SettingsError for what can't be."""
    dice = Dice(seed)
    lane = Lane(scenario.lane)
    process_of = Core if lane is Lane.CORE else Daemon
    suite = HashSuite() if scenario.hashes_for_crypto else SharedSuite()
    village = Village(lane, dice, timeline, process_of, settings=_node_settings(scenario), suite=suite)
    for table in scenario.media:
        village.add_medium(_kind(table))
    for index in range(scenario.nodes):
        village.add_host(_host(village, scenario, f"n{index}", disks))
    range_m = next((each.range_m for each in scenario.media if each.range_m is not None), LOCAL_RANGE_M)
    feet = {host.name: host.media for host in village.hosts.values()}
    crowd = make_crowd(scenario, feet, dice, range_m=range_m, read=_read_trace)
    _acquaint(village, crowd, scenario)
    return Settlement(village, crowd)


def _node_settings(scenario: Scenario) -> NodeSettings:
    try:
        return msgspec.convert(scenario.node, NodeSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"[node]: {error}") from None


def _kind(table: MediumTable) -> MediumKind:
    """As the kind is, but for what the scenario says."""
    kind = KINDS[table.kind]
    conditions = kind.conditions
    if table.delay_ms is not None:
        least_ms, mean_ms = table.delay_ms
        conditions = replace(
            conditions, delay_min_ns=int(least_ms * NS_PER_MS), delay_mean_ns=int(mean_ms * NS_PER_MS)
        )
    if table.loss is not None:
        conditions = replace(conditions, loss=table.loss)
    if table.bytes_per_s is not None:
        conditions = replace(conditions, bytes_per_s=table.bytes_per_s)
    links_max = kind.links_max if table.links_max is None else table.links_max
    return replace(kind, conditions=conditions, links_max=links_max)


def _host(village: Village, scenario: Scenario, name: str, disks: Disks) -> Host:
    dice, storm = village.dice, scenario.storm
    media = tuple(
        table.kind
        for index, table in enumerate(scenario.media)
        if not index or dice.die(f"media/{table.kind}", name).random() < table.share
    )
    clock = SimClock(
        lambda: village.timeline.now_ns,
        drift_ppm=round(dice.die("clock/drift", name).uniform(-1, 1) * storm.clock_drift_ppm),
        wall_offset_ns=round(dice.die("clock/offset", name).uniform(-1, 1) * storm.clock_offset_s * NS_PER_S),
    )
    host = Host(village, name, clock, media)
    if village.lane is Lane.DAEMON:
        host.storage = _storage(host, disks)
    if scenario.battery is not None:
        level = dice.die("battery", name).uniform(*scenario.battery.level_percent)
        capacity_mj = round(scenario.battery.budget_mwh * MJ_PER_MWH)
        host.battery = Battery(PHONE, capacity_mj=capacity_mj, level_percent=round(level))
    return host


def _storage(host: Host, disks: Disks) -> SimStorage:
    """With an identity on it already, so that others can know its name before it ever boots."""
    storage = disks.storage(host.name, host.dice.die("disk", host.name), latency_ns=COMMIT_NS)
    seed_file = encode_seed_file(host.seed, None, host.dice.entropy(f"{host.name}/seed file"))
    storage.write_file(SEED_FILE, seed_file)
    return storage


def _acquaint(village: Village, crowd: Crowd, scenario: Scenario) -> None:
    hosts, wish = list(village.hosts.values()), scenario.acquaintances
    if wish.kind == "near":
        for one, other in crowd.near():
            village.acquaint(hosts[one], hosts[other])
        return
    for index, host in enumerate(hosts):
        if wish.kind == "all":
            friends = hosts[index + 1 :]
        elif wish.kind == "ring":
            friends = [hosts[(index + step) % len(hosts)] for step in range(1, wish.degree // 2 + 1)]
        else:
            die = village.dice.die("acquaintances", host.name)
            friends = [die.choice(hosts) for _ in range(wish.degree // 2)]
        for friend in friends:
            village.acquaint(host, friend)


def _read_trace(name: str) -> bytes:
    if not name:
        raise SettingsError("movement.kind 'trace' needs movement.trace, a file as docs/traces.md describes")
    try:
        with Path(name).open("rb") as file:
            return file.read(TRACE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(f"the trace {name} can't be read: {error.strerror}") from None
