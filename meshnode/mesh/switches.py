"""When the traffic of a peer moved from one link to another, and why: for a trace, and for the log."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from policies.transport import Reason, Traffic
from protocols.envelope import TrafficClass
from protocols.ids import NodeId

SWITCHES_MAX = 32  # kept for each peer; the oldest goes
PEERS_MAX = 1_024  # with several links, lately; whoever switched longest ago is forgotten
NEWS_MAX = 256  # until somebody takes them; then the oldest goes: the lists still have them

Cause: TypeAlias = Literal["silent", "answers_again", "link_lost", "policy"]


@dataclass(frozen=True, slots=True)
class Switch:
    at_ns: int
    traffic: Traffic
    link_from: str | None  # address#number; None: it was told to wait
    link_to: str | None
    cause: Cause  # "silent": the old one owed an answer; "answers_again": the new one had, and answered; "policy"
    reason: Reason  # the policy's, for the new one
    figures: dict[str, float]  # what the cause rests on: owed_ms, limit_ms; silent_ms; score_from, score_to


@dataclass(slots=True)
class _History:
    last: deque[Switch] = field(default_factory=lambda: deque[Switch](maxlen=SWITCHES_MAX))
    current: dict[TrafficClass, tuple[int, str] | None] = field(
        default_factory=dict[TrafficClass, tuple[int, str] | None]
    )  # link's number and name


class Switches:
    def __init__(self) -> None:
        self._peers: dict[NodeId, _History] = {}  # who was settled longest ago first
        self._news: deque[tuple[NodeId, Switch]] = deque(maxlen=NEWS_MAX)

    def of(self, peer: NodeId) -> list[Switch]:
        history = self._peers.get(peer)
        return [] if history is None else list(history.last)

    def current(self, peer: NodeId, traffic: TrafficClass) -> tuple[int, str] | None:
        history = self._peers.get(peer)
        return None if history is None else history.current.get(traffic)

    def note(self, peer: NodeId, switch: Switch) -> None:
        self._history(peer).last.append(switch)
        self._news.append((peer, switch))

    def settle(self, peer: NodeId, traffic: TrafficClass, link: tuple[int, str] | None) -> None:
        self._history(peer).current[traffic] = link

    def take_news(self) -> list[tuple[NodeId, Switch]]:
        if not self._news:
            return []
        news = list(self._news)
        self._news.clear()
        return news

    def _history(self, peer: NodeId) -> _History:
        history = self._peers.pop(peer, None) or _History()
        self._peers[peer] = history
        if len(self._peers) > PEERS_MAX:
            del self._peers[next(iter(self._peers))]
        return history
