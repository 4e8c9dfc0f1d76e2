"""How others reach us, judged from where they see us; and whether two nodes can meet directly, and where.

The words are those of RFC 4787. A NAT whose *mapping* is endpoint-independent shows every observer the same address;
one whose mapping depends on the destination ("symmetric") shows each another, so nobody can be told where to call.
*Filtering*, whom the NAT lets in, cannot be seen from inside. It shows when somebody comes whom we never called.
"""

import ipaddress
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

__all__ = [
    "Kind",
    "Meeting",
    "Observation",
    "Place",
    "Reach",
    "ReachLimits",
    "ReachView",
    "Side",
    "Stay",
    "is_global",
    "judge_reach",
    "plan_meeting",
]

Kind: TypeAlias = Literal["unknown", "public", "mapped", "symmetric"]
IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Place(NamedTuple):
    """An IP literal without zone, and a UDP port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One neighbour's answer to "where do you see me?"."""

    observer: Place  # the neighbour's end of the link, as we see it
    seen: Place
    called: bool  # we called it; else it called us, and `seen` is where it found us
    uninvited: bool = False  # it called us, and nothing of ours had gone to its host before


@dataclass(frozen=True, slots=True)
class ReachView:
    """All of one IP version."""

    own: tuple[str, ...]  # addresses of this machine
    observations: tuple[Observation, ...]
    forwarded: Place | None = None  # what our router promised to forward to us


@dataclass(frozen=True, slots=True)
class ReachLimits:
    agree_min: int = 2  # observers on different hosts: one alone may err or lie
    targets_max: int = (
        6  # addresses called at once for one meeting: a household, its router, and both IP versions
    )


DEFAULT_LIMITS = ReachLimits()


@dataclass(frozen=True, slots=True)
class Reach:
    kind: Kind
    place: Place | None
    """Where to call us from far away, as far as known. Behind a symmetric NAT only the host is right, which is enough
    for a NAT on the other side that filters by address."""
    reason: str  # a sentence
    uninvited: bool = False  # who calls there comes in without our help: worth telling everybody


def judge_reach(view: ReachView, limits: ReachLimits = DEFAULT_LIMITS) -> Reach:
    if view.forwarded is not None:
        return Reach("public", view.forwarded, "our router forwards this address to us", uninvited=True)
    outside = [each for each in view.observations if is_global(each.seen.host)]
    for each in outside:
        if each.uninvited:
            return Reach("public", each.seen, "a peer whom we had not called came in here", uninvited=True)
    for each in outside:
        if each.seen.host in view.own:
            return Reach("public", each.seen, "peers see an address of this machine: there is no NAT")
    return _judge_mapping([each for each in outside if each.called], limits)


def _judge_mapping(called: list[Observation], limits: ReachLimits) -> Reach:
    """Each host of observers has one say, its latest."""
    says = {each.observer.host: each.seen for each in called}
    places = list(says.values())
    if not places:
        return Reach("unknown", None, "nobody outside our own network has told where it sees us")
    most = max(places, key=places.count)
    agreed = places.count(most)
    if agreed >= limits.agree_min and 2 * agreed > len(places):
        return Reach("mapped", most, f"{agreed} of {len(places)} peers outside see us at the same address")
    if len(places) >= limits.agree_min and agreed == 1:
        reason = f"our NAT shows another address to each of {len(places)} peers"
        return Reach("symmetric", most, reason)
    if len(places) < limits.agree_min:
        return Reach("unknown", most, "only one peer outside has told where it sees us; a second must agree")
    return Reach("unknown", None, "peers outside contradict each other on where they see us")


# -- two nodes that want to meet ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """What one of two nodes knows of itself and tells the other."""

    kind: Kind
    hosts: tuple[Place, ...]  # of its own interfaces
    outside: tuple[Place, ...]  # as others see it, or as its router forwards


@dataclass(frozen=True, slots=True)
class Meeting:
    """Call all of these at the moment agreed upon."""

    targets: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Stay:
    """Stay with the relays."""

    reason: str


def plan_meeting(ours: Side, theirs: Side, limits: ReachLimits = DEFAULT_LIMITS) -> Meeting | Stay:
    """Which of their addresses to call.

    Theirs come from a peer that may mean ill: they must not send us to scan our own network. So private ones are
    called only where both of us seem to stand behind the same NAT, or one of us knows of none.
    """
    versions = {_version(each.host) for each in ours.hosts}
    home = _same_home(ours, theirs)
    own = {*ours.hosts, *ours.outside}
    targets: dict[Place, None] = {}
    for place in (*theirs.hosts, *theirs.outside) if home else (*theirs.outside, *theirs.hosts):
        if place in own or _version(place.host) not in versions or not _may_call(place):
            continue
        if is_global(place.host) or home:
            targets[place] = None
    stable = [each for each in targets if each in theirs.hosts and is_global(each.host)]  # no NAT in between
    if ours.kind == "symmetric" == theirs.kind and not home and not stable:
        return Stay("both NATs are symmetric: neither side can be told where to call")
    if not targets:
        return Stay("they named no address that we could call from here")
    return Meeting(tuple(targets)[: limits.targets_max])


def _same_home(ours: Side, theirs: Side) -> bool:
    if not ours.outside or not theirs.outside:
        return True
    return any(one.host == other.host for one in ours.outside for other in theirs.outside)


def _ip(host: str) -> IP | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _version(host: str) -> int:
    ip = _ip(host)
    return 0 if ip is None else ip.version


def is_global(host: str) -> bool:
    ip = _ip(host)
    return ip is not None and ip.is_global and not ip.is_multicast


def _may_call(place: Place) -> bool:
    """An address of one other machine, as far as its form tells."""
    ip = _ip(place.host)
    if ip is None or not 0 < place.port < 65_536:
        return False
    odd = ip.is_loopback or ip.is_unspecified or ip.is_multicast or ip.is_link_local or ip.is_reserved
    mapped = isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None
    return not odd and not mapped
