"""Live links + policy -> which link and lane carries this, and why. Sans-IO.

Every record asks, so an answer is remembered until something that it rests on changes (a link, the device). Where
there is a choice it is remembered for FRESH_NS at most, since round trips drift; of a single link they refuse nothing.
What is remembered is small: an entry per peer and class, what is known of the links of a peer that has several, and
the last switches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from meshnode.mesh.links import LinkState
from meshnode.mesh.switches import Cause, Switch, Switches
from policies.device import DeviceState
from policies.energy import EnergyDecision, EnergyView, decide_energy
from policies.transport import LinkView, Traffic, TransportDecision, TransportView, decide_transport
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from protocols.stream import WayAnswers, WaySilent
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
PEERS_MAX = 1_024  # with several links, that something is known of; the one told of longest ago is forgotten


@dataclass(frozen=True, slots=True)
class Choice:
    link: LinkState | None  # None: wait
    decision: TransportDecision
    made_ns: int
    only_traits: LinkTraits | None  # of the one link that there was; None: there were others, or none
    beside: tuple[LinkState, ...] = ()  # that may carry the same traffic when `link` is full, best first


@dataclass(slots=True)
class LinkFigures:
    """What sessions found out about one of several links to a peer."""

    bytes_per_s: int = 0  # 0: not measured
    silence: WaySilent | None = None  # it owes an answer for too long
    answered: WayAnswers | None = None  # and does so no more


class TransportManager:
    def __init__(self) -> None:
        self.device = DeviceState()
        self.energy: EnergyDecision = decide_energy(EnergyView(self.device))
        self._choices: dict[tuple[NodeId, int], Choice] = {}
        self._figures: dict[NodeId, dict[int, LinkFigures]] = {}  # of peers with several links
        self._switches = Switches()

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
            choice = self._choose(peer, links, TrafficClass(traffic), now_ns)
        return choice.link

    def beside(self, peer: NodeId, traffic: int) -> tuple[LinkState, ...]:
        """Further links for what was just `choose`n for, when the first is full: about as good, never refused ones."""
        choice = self._choices.get((peer, traffic))
        return () if choice is None else choice.beside

    def switches(self, peer: NodeId) -> list[Switch]:
        """The last ones, oldest first."""
        return self._switches.of(peer)

    def take_switched(self) -> list[tuple[NodeId, Switch]]:
        """Those since the last call."""
        return self._switches.take_news()

    # What sessions find out about the links of a peer that has several

    def keep_figures(self, peer: NodeId, links: Sequence[int]) -> None:
        """It has these, or no choice any more: what is known of others is forgotten."""
        known = self._figures.pop(peer, {})
        if links:
            self._figures[peer] = {link: known.get(link) or LinkFigures() for link in links}
            if len(self._figures) > PEERS_MAX:
                del self._figures[next(iter(self._figures))]
        self.links_changed(peer)

    def measured(self, peer: NodeId, link: int, bytes_per_s: int) -> None:
        if (figures := self._figure(peer, link)) is not None:
            figures.bytes_per_s = bytes_per_s

    def link_silent(self, peer: NodeId, link: int, silence: WaySilent) -> None:
        """What was remembered is dropped, the first time."""
        if (figures := self._figure(peer, link)) is not None:
            if figures.silence is None:
                self.links_changed(peer)
            figures.silence, figures.answered = silence, None

    def link_answers(self, peer: NodeId, link: int, answered: WayAnswers) -> None:
        if (figures := self._figure(peer, link)) is not None:
            figures.silence, figures.answered = None, answered
            self.links_changed(peer)

    def _figure(self, peer: NodeId, link: int) -> LinkFigures | None:
        return self._figures.get(peer, {}).get(link)

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
        known = self._figures.get(links[0].peer, {}) if len(links) > 1 and links[0].peer is not None else {}
        view = TransportView(
            links=tuple(self._view(link, known, traffic) for link in links) + tuple(dialable),
            traffic=TRAFFIC_NAMES[traffic],
            size_bytes=size_bytes,
            device=self.device if device is None else device,
            energy=self.energy if device is None else None,
        )
        return decide_transport(view)

    def supposed(self, **changes: object) -> DeviceState:
        """Our device as it would be (`meshctl policy explain --battery 15`)."""
        return replace(self.device, **changes)  # pyright: ignore[reportArgumentType] - keys come from one caller

    def _choose(self, peer: NodeId, links: Sequence[LinkState], traffic: TrafficClass, now_ns: int) -> Choice:
        known = self._figures.get(peer, {})
        for figures in known.values():
            if figures.silence is not None and figures.silence.until_ns < now_ns:
                figures.silence = None  # whoever told of it is gone
        decision = self.decide(links, traffic, TYPICAL_BYTES[traffic])
        link = _find(decision.link, links)
        choice = self._choices[peer, traffic] = Choice(
            link,
            decision,
            now_ns,
            only_traits=links[0].up.traits() if len(links) == 1 else None,
            beside=tuple(other for each in decision.beside if (other := _find(each, links)) is not None),
        )
        before = self._switches.current(peer, traffic)
        if before is not None or len(links) > 1:
            self._note(peer, links, traffic, choice)
        return choice

    def _note(self, peer: NodeId, links: Sequence[LinkState], traffic: TrafficClass, choice: Choice) -> None:
        """Which link it is now, and if another than before, why."""
        link = choice.link
        before = self._switches.current(peer, traffic)
        now = None if link is None else (link.id, _name(link))
        if before is not None and before != now:
            cause, figures = self._cause(peer, links, choice, before)
            self._switches.note(
                peer,
                Switch(
                    at_ns=choice.made_ns,
                    traffic=TRAFFIC_NAMES[traffic],
                    link_from=before[1],
                    link_to=None if now is None else now[1],
                    cause=cause,
                    reason=choice.decision.reason,
                    figures=figures,
                ),
            )
        self._switches.settle(peer, traffic, now)

    def _cause(
        self, peer: NodeId, links: Sequence[LinkState], choice: Choice, before: tuple[int, str]
    ) -> tuple[Cause, dict[str, float]]:
        known = self._figures.get(peer, {})
        was = known.get(before[0], LinkFigures())
        new = LinkFigures() if choice.link is None else known.get(choice.link.id, LinkFigures())
        if all(link.id != before[0] for link in links):
            return "link_lost", {}
        if was.silence is not None:
            return "silent", {
                "owed_ms": was.silence.owed_ns / NS_PER_MS,
                "limit_ms": was.silence.limit_ns / NS_PER_MS,
            }
        if new.answered is not None:
            return "answers_again", {"silent_ms": new.answered.silent_ns / NS_PER_MS}
        scores = {each.link: each.score for each in choice.decision.considered}
        to = 0.0 if choice.link is None else scores.get(_name(choice.link), 0.0)
        return "policy", {"score_from": scores.get(before[1], 0.0), "score_to": to}

    def _view(self, link: LinkState, known: Mapping[int, LinkFigures], traffic: TrafficClass) -> LinkView:
        view = link_view(link)
        figures = known.get(link.id)
        if figures is None or link.peer is None:
            return view
        current = self._switches.current(link.peer, traffic)
        # A rate counts only where all have one: a guess must not win over what was measured.
        rate = figures.bytes_per_s if all(each.bytes_per_s for each in known.values()) else 0
        return replace(
            view,
            silent_ms=0.0 if figures.silence is None else figures.silence.owed_ns / NS_PER_MS,
            bytes_per_s=rate or None,
            in_use=current is not None and current[0] == link.id,
        )


def link_view(link: LinkState) -> LinkView:
    traits, stats = link.up.traits(), link.up.stats
    return LinkView(
        name=_name(link),
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


def _find(view: LinkView | None, links: Sequence[LinkState]) -> LinkState | None:
    return None if view is None else next((link for link in links if view.name == _name(link)), None)


def _name(link: LinkState) -> str:
    return f"{link.up.address}#{link.id}"
