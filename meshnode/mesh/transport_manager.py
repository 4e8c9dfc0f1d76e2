"""Live links + policy -> which link and lane carries this, and why. Sans-IO.

Every record asks, so an answer is remembered until something that it rests on changes (a link, the device). Where
there is a choice it is remembered for FRESH_NS at most, since round trips drift; of a single link they refuse nothing.
What is remembered is small: an entry per peer and class.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshnode.mesh.links import LinkState
from policies.device import DeviceState
from policies.energy import EnergyDecision, EnergyView, decide_energy
from policies.transport import LinkView, Traffic, TransportDecision, TransportView, decide_transport
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from transports.api import LinkTraits

FRESH_NS = 1_000_000_000  # a link's round trip is a moving average over about as long
TYPICAL_BYTES = {  # what a stream of each class moves before it is idle again; guess
    TrafficClass.INTERACTIVE: 1_024,
    TrafficClass.BULK: 262_144,
    TrafficClass.BACKGROUND: 65_536,
    TrafficClass.EMERGENCY: 1_024,
}
TRAFFIC_NAMES: dict[TrafficClass, Traffic] = {
    TrafficClass.INTERACTIVE: "interactive",
    TrafficClass.BULK: "bulk",
    TrafficClass.BACKGROUND: "background",
    TrafficClass.EMERGENCY: "emergency",
}
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    link: LinkState | None  # None: wait
    decision: TransportDecision
    made_ns: int
    only_traits: LinkTraits | None  # of the one link that there was; None: there were others, or none


class TransportManager:
    def __init__(self) -> None:
        self.device = DeviceState()
        self.energy: EnergyDecision = decide_energy(EnergyView(self.device))
        self._choices: dict[tuple[NodeId, int], Choice] = {}

    def device_changed(self, device: DeviceState) -> bool:
        """True when the energy level moved."""
        before = self.energy.level
        self.device = device
        self.energy = decide_energy(EnergyView(device, before))
        self._choices.clear()
        return self.energy.level is not before

    def links_changed(self, peer: NodeId) -> None:
        for traffic in TrafficClass:
            self._choices.pop((peer, traffic), None)

    def choose(
        self, peer: NodeId, links: Sequence[LinkState], traffic: int, *, now_ns: int
    ) -> LinkState | None:
        """The link that carries this class of traffic to this peer now; None: wait."""
        choice = self._choices.get((peer, traffic))
        if choice is None or not _is_fresh(choice, links, now_ns):
            kind = TrafficClass(traffic)
            decision = self.decide(links, kind, TYPICAL_BYTES[kind])
            only_traits = links[0].up.traits() if len(links) == 1 else None
            choice = Choice(_chosen(decision, links), decision, now_ns, only_traits)
            self._choices[peer, traffic] = choice
        return choice.link

    def decide(
        self,
        links: Sequence[LinkState],
        traffic: TrafficClass,
        size_bytes: int,
        *,
        device: DeviceState | None = None,
        dialable: Sequence[LinkView] = (),
    ) -> TransportDecision:
        """The policy's answer for live links, and for what could be dialled; `device` stands in for ours (explain)."""
        view = TransportView(
            links=tuple(link_view(link) for link in links) + tuple(dialable),
            traffic=TRAFFIC_NAMES[traffic],
            size_bytes=size_bytes,
            device=self.device if device is None else device,
            energy=self.energy if device is None else None,
        )
        return decide_transport(view)

    def supposed(self, **changes: object) -> DeviceState:
        """Our device as it would be (`meshctl policy explain --battery 15`)."""
        return replace(self.device, **changes)  # pyright: ignore[reportArgumentType] - keys come from one caller


def link_view(link: LinkState) -> LinkView:
    traits, stats = link.up.traits(), link.up.stats
    return LinkView(
        name=f"{link.up.address}#{link.id}",
        transport=traits.transport,
        rtt_ms=None if stats.rtt_ns is None else stats.rtt_ns / NS_PER_MS,
        datagram_bytes_max=traits.datagram_bytes_max,
        has_reliable_lane=traits.has_reliable_lane,
        looks_like_web=traits.looks_like_web,
        cost=traits.cost,
        on_network=traits.on_network,
    )


def _is_fresh(choice: Choice, links: Sequence[LinkState], now_ns: int) -> bool:
    if now_ns - choice.made_ns <= FRESH_NS:
        return True
    return choice.only_traits is not None and choice.only_traits is links[0].up.traits()


def _chosen(decision: TransportDecision, links: Sequence[LinkState]) -> LinkState | None:
    if decision.link is None:
        return None
    return next(link for link in links if decision.link.name == f"{link.up.address}#{link.id}")
