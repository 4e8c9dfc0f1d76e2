"""What `meshctl doctor` asks a running node: what is wrong, and how to mend it."""

from meshnode.control.shapes import Check
from meshnode.node import Node

DISK_LOW_BYTES = 200 * 1024 * 1024  # SQLite needs room for its journal; a day of messages fits many times
YEAR_S = 365 * 86_400
CLOCK_EARLIEST_S = 55 * YEAR_S  # about 2025: before this software existed
CLOCK_LATEST_S = 130 * YEAR_S  # about 2100
NS_PER_S = 1_000_000_000


def run_checks(node: Node, disk_free: int) -> list[Check]:
    return [
        *(_listening(name, node) for name in node.transports),
        _discovery(node),
        _clock(node),
        _disk(disk_free),
        *(_store(name, state) for name, state in node.world.storage.health().items()),
        *([_store("record", node.record.problem)] if node.record.problem else []),
        _reach(node),
    ]


def _listening(name: str, node: Node) -> Check:
    status = node.transports[name]
    if status.listening and status.detail:
        return Check(
            name=f"{name}_port",
            state="warning",
            detail=f"listens on {', '.join(status.listening)}, but {status.detail}",
            mend="correct links.listen or --listen, or stop the program that holds the address",
        )
    if status.listening:
        return Check(name=f"{name}_port", state="ok", detail="listens on " + ", ".join(status.listening))
    return Check(
        name=f"{name}_port",
        state="failed",
        detail=status.detail or "listens nowhere",
        mend="choose a free port with --listen quic://0.0.0.0:PORT, or stop the program that holds it",
    )


def _discovery(node: Node) -> Check:
    if node.discovery is None:
        return Check(
            name="mdns",
            state="warning",
            detail="switched off, so nodes on this network are not found by themselves",
            mend="start without --no-mdns, or set links.mdns = true",
        )
    problem = node.discovery_problem or ("" if node.discovery.health() == "ok" else node.discovery.health())
    if not problem:
        return Check(name="mdns", state="ok", detail="announces and listens")
    return Check(
        name="mdns",
        state="warning",
        detail=problem,
        mend="allow UDP port 5353 and multicast on this network, or add peers by invite",
    )


def _clock(node: Node) -> Check:
    wall_s = node.world.clock.wall_ns() // NS_PER_S
    if CLOCK_EARLIEST_S <= wall_s <= CLOCK_LATEST_S:
        return Check(name="clock", state="ok", detail="plausible")
    return Check(
        name="clock",
        state="warning",
        detail="the clock is far off, so invites seem expired and times of messages are wrong",
        mend="set the clock, for instance with 'sudo timedatectl set-ntp true'",
    )


def _disk(free: int) -> Check:
    if free >= DISK_LOW_BYTES:
        return Check(name="disk", state="ok", detail=f"{free // 1024 // 1024} MiB free")
    return Check(
        name="disk",
        state="failed",
        detail=f"only {free // 1024 // 1024} MiB free, messages may be refused",
        mend="free some space, or lower messages.keep_count in the settings",
    )


def _store(name: str, state: str) -> Check:
    if state == "ok":
        return Check(name=f"store_{name}", state="ok", detail="sound")
    return Check(
        name=f"store_{name}",
        state="warning",
        detail=state,
        mend="check the disk, and keep the damaged file until you are sure that nothing is missed",
    )


def _reach(node: Node) -> Check:
    connected, known = len(node.driver.connected()), len(node.peers.owner.peers())
    if connected:
        return Check(name="peers", state="ok", detail=f"{connected} of {known} peers connected")
    return Check(
        name="peers",
        state="warning",
        detail=f"none of {known} peers connected",
        mend="make an invite with 'meshctl invite' and follow it on the other node with 'meshctl peers add'",
    )
