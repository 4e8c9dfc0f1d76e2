"""A few nodes in one process and in virtual time, joined by wires that a test may cut."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from protocols.directory import sign_record
from protocols.envelope import TrafficClass, decode_envelope
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.noise import Kem, MlKem768
from protocols.session import (
    NO_ROUTE,
    Dropped,
    Event,
    HandshakeFailed,
    HandshakeId,
    RecordOpened,
    Session,
    SessionEstablished,
    SessionLimits,
    SessionTable,
)

MS = 1_000_000
OVER_PATHS = 900  # the route on which a node finds what came over several hops
LINK = b"the link as both ends see it, hashed"[:32]


class Node:
    def __init__(self, name: str, net: "Net", *, boot: int = 1, **options: Any) -> None:
        self.name, self.net = name, net
        self.identity = Identity.from_seed(name.encode().ljust(32, b"."))
        self.id: NodeId = self.identity.node_id
        self.x25519: bytes = self.identity.x25519_public
        self.offers_hybrid = bool(options.pop("offers_hybrid", False))
        self.blocked: list[NodeId] = []
        self.hybrid_peers: list[NodeId] = []
        self.events: list[Event] = []
        self.sequence = 1
        self.boot = boot.to_bytes(8, "big")
        kem: Kem = MlKem768()
        self.table = SessionTable(
            self.identity,
            own_record=self.record,
            boot=self.boot,
            kem=options.pop("kem", kem),
            entropy=Random(f"{name}/{boot}").randbytes,
            answer_strangers=options.pop("answer_strangers", True),
            is_blocked=lambda peer: peer in self.blocked,
            remember_hybrid=lambda peer: peer in self.hybrid_peers,
            limits=options.pop("limits", SessionLimits()),
            **options,
        )

    def record(self) -> bytes:
        features = ("mlkem768",) if self.offers_hybrid else ()
        return sign_record(
            self.identity,
            sequence=self.sequence,
            expires_at=4_000_000_000,
            addresses=(),
            services=(),
            features=features,
            name=self.name,
        )

    def dial(
        self,
        peer: "Node | None" = None,
        *,
        known: bool = False,
        hybrid: bool = False,
        link: int | None = None,
        binding: bytes | None = None,
    ) -> HandshakeId:
        """Over `link` if one is given, else over a path."""
        return self.table.connect(
            peer=peer.id if peer else None,
            x25519=peer.x25519 if peer and known else None,
            hybrid=hybrid,
            route=NO_ROUTE if link is None else link,
            local=link is not None,
            binding=(LINK if link is not None else b"") if binding is None else binding,
            now_ns=self.net.now_ns,
        )

    def hear(self, data: bytes, *, route: int) -> list[Event]:
        binding = self.net.bindings.get((route, self.name), LINK if route in self.net.links else b"")
        events = self.table.receive(
            decode_envelope(data), route=route, binding=binding, now_ns=self.net.now_ns
        )
        self.events += events
        return events

    def session(self, peer: "Node") -> Session:
        session = self.table.preferred(peer.id)
        assert session is not None, f"{self.name} has no session with {peer.name}"
        return session

    def seal(self, session: Session, frames: bytes, *, local: bool = False) -> bytes:
        return self.table.seal(
            session, frames, traffic=TrafficClass.BULK, local=local, size_max=66_000, now_ns=self.net.now_ns
        )

    def established(self) -> list[SessionEstablished]:
        return [event for event in self.events if isinstance(event, SessionEstablished)]

    def opened(self) -> list[bytes]:
        """What records brought, without padding and without the empty confirmations."""
        frames = [event.plaintext.rstrip(b"\0") for event in self.events if isinstance(event, RecordOpened)]
        return [frame for frame in frames if frame]

    def failures(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, HandshakeFailed)]

    def drops(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Dropped)]


class Net:
    """Wires: a link is known by its number at both ends; what has no link goes over a path, by its destination."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.nodes: list[Node] = []
        self.links: dict[int, tuple[Node, Node]] = {}
        self.bindings: dict[tuple[int, str], bytes] = {}  # how one end sees a link, where it isn't LINK
        self.tamper: Callable[[Node, bytes], list[bytes]] = lambda sender, data: [data]
        self.sent: list[tuple[Node, bytes]] = []  # all that was ever sent, lost or not

    def node(self, name: str, **options: Any) -> Node:
        """A second node of the same name is the first one after a restart."""
        node = Node(name, self, **options)
        self.nodes = [other for other in self.nodes if other.name != name] + [node]
        for route, ends in self.links.items():
            self.links[route] = tuple(node if end.name == name else end for end in ends)  # type: ignore[assignment]
        return node

    def link(self, a: Node, b: Node, route: int = 7) -> int:
        self.links[route] = (a, b)
        return route

    def settle(self) -> None:
        """Deliver until nobody has anything to say."""
        busy = True
        while busy:
            busy = False
            for node in list(self.nodes):
                for route, destination, data in node.table.outgoing():
                    busy = True
                    self.sent.append((node, data))
                    for copy in self.tamper(node, data):
                        self.carry(node, route, destination, copy)

    def carry(self, sender: Node, route: int, destination: NodeId, data: bytes) -> None:
        if route in self.links:
            a, b = self.links[route]
            receiver = b if sender is a else a
            receiver.hear(data, route=route)
            return
        for node in self.nodes:
            if node.id == destination:
                node.hear(data, route=OVER_PATHS)

    def wait(self, ns: int) -> None:
        """Let time pass, waking everybody when they ask for it."""
        until_ns = self.now_ns + ns
        while True:
            self.settle()
            due = [at_ns for node in self.nodes if (at_ns := node.table.next_timeout()) is not None]
            if not due or min(due) > until_ns:
                self.now_ns = until_ns
                return
            self.now_ns = max(self.now_ns, min(due))
            for node in self.nodes:
                node.events += node.table.handle_timeout(now_ns=self.now_ns)

    def meet(
        self, a: Node, b: Node, *, known: bool = True, hybrid: bool = False, link: int | None = None
    ) -> None:
        a.dial(b, known=known, hybrid=hybrid, link=link)
        self.settle()


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def alice(net: Net) -> Node:
    return net.node("alice")


@pytest.fixture
def bob(net: Net) -> Node:
    return net.node("bob")
