"""Two or more cores in virtual time on a heap, joined by wires that may lose datagrams, go deaf, be slow, or be cut."""

import hashlib
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from meshnode.mesh import (
    Channel,
    ChannelClosed,
    CloseLink,
    Dial,
    DialFailed,
    Effect,
    LinkDown,
    LinkReceived,
    LinkUp,
    LinkWritable,
    Mesh,
    Noticed,
    PeerConnected,
    PeerDisconnected,
    RpcHappened,
    SendOn,
)
from protocols.directory import sign_record
from protocols.envelope import TrafficClass
from protocols.ids import NodeId
from protocols.keys import Identity
from protocols.rpc import CallEnded, CallReceived, MessagesReceived
from transports.api import LinkStats, LinkTraits

MS = 1_000_000
SECOND = 1_000_000_000
DELAY_NS = 5 * MS
BACKLOG_BYTES_MAX = 1 << 20


@dataclass
class Wire:
    """One link between two nodes: the same number for neither; either end may be cut."""

    ends: dict["Node", int]
    traits: LinkTraits
    up: bool = True
    delay_ns: int = DELAY_NS
    bytes_per_s: int | None = None  # each way; None: all at once
    deaf: set["Node"] = field(
        default_factory=set["Node"]
    )  # nothing that these send arrives, and nobody is told
    free_ns: dict["Node", int] = field(default_factory=dict["Node", int])  # when all that they sent has left
    unsent: dict["Node", int] = field(
        default_factory=dict["Node", int]
    )  # bytes of the reliable lane, of these
    sent: int = 0  # bytes, both ways

    def go_deaf(self) -> None:
        self.deaf = set(self.ends)

    def hear_again(self) -> None:
        self.deaf = set()

    def other(self, node: "Node") -> "Node":
        return next(end for end in self.ends if end is not node)


class Node:
    def __init__(self, world: "Air", name: str, *, seed: bytes | None = None, visible: bool = True) -> None:
        self.world, self.name = world, name
        self.identity = Identity.from_seed(seed or hashlib.sha256(name.encode()).digest())
        self.address = f"memory://{name}"
        self.known: dict[NodeId, tuple[bytes, list[str]]] = {}
        self.blocked: set[NodeId] = set()
        self.happened: list[Effect] = []
        self.received: list[bytes] = []  # messages of calls that came in, in order
        self.answers: list[bytes] = []
        self.heard_ns: list[int] = []  # when each of `received` came
        self.noticed: list[Noticed] = []
        self.wires: dict[int, Wire] = {}
        self.visible = visible
        self.trusting = True  # whoever comes is a contact
        self.boots = 0
        self.up = False
        self.mesh: Mesh
        self.start()

    def start(self) -> None:
        """Boot, or boot again with nothing remembered but the identity and the book."""
        self.boots += 1
        die = Random(f"{self.name}/{self.boots}")
        record = sign_record(
            self.identity,
            sequence=self.boots,
            expires_at=2**40,
            addresses=(self.address,),
            services=(),
            features=(),
            name=self.name,
        )
        self.mesh = Mesh(
            self.identity,
            own_record=lambda: record,
            own_addresses=lambda: frozenset({self.address}),
            answer_strangers=self.visible,
            boot=die.randbytes(8),
            kem=None,
            entropy=die.randbytes,
            dice=lambda concern: Random(f"{self.name}/{concern}"),
            wall_ms=lambda: self.world.now_ns // 1_000_000,
        )
        self.mesh.facts = self
        self.up = True

    def crash(self) -> None:
        """As kill -9: nobody is told, and what it knew is gone."""
        self.up = False
        for wire in list(self.wires.values()):
            self.world.cut(wire)

    # -- PeerFacts

    def x25519(self, peer: NodeId) -> bytes | None:
        return self.known[peer][0] if peer in self.known else None

    def hybrid(self, peer: NodeId) -> bool:
        return True

    def addresses(self, peer: NodeId) -> list[str]:
        return self.known[peer][1] if peer in self.known else []

    def is_contact(self, peer: NodeId) -> bool:
        return peer in self.known or self.trusting

    def is_blocked(self, peer: NodeId) -> bool:
        return peer in self.blocked

    def seen_hybrid(self, peer: NodeId) -> bool:
        return False

    # -- what tests do

    @property
    def id(self) -> NodeId:
        return self.identity.node_id

    def meets(self, other: "Node") -> None:
        """Know the other's key and address, and want it."""
        self.known[other.id] = (other.identity.x25519_public, [other.address])
        self.mesh.want(other.id, now_ns=self.world.now_ns)
        self.flush()

    def calls(self, other: "Node", *messages: bytes, traffic: TrafficClass = TrafficClass.INTERACTIVE) -> int:
        channel = self.mesh.channel(other.id)
        assert channel is not None, "not connected"
        call = channel.rpc.call(
            "post", "box", messages[0], deadline_ms=0, traffic=traffic, end=False, now_ns=self.world.now_ns
        )
        for message in messages[1:]:
            channel.rpc.send(call, message)
        channel.rpc.end(call)
        self.mesh.touch(channel)
        self.flush()
        return call

    def is_connected(self, other: "Node") -> bool:
        return self.mesh.channel(other.id) is not None

    def flush(self) -> None:
        self.execute(self.mesh.flush(now_ns=self.world.now_ns))

    def handle(self, event: object) -> None:
        if self.up:
            self.execute(self.mesh.handle(event, now_ns=self.world.now_ns))  # type: ignore[arg-type]

    def execute(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendOn():
                    self.world.carry(self, effect)
                case Dial():
                    self.world.dial(self, effect)
                case CloseLink():
                    if effect.link in self.wires:
                        self.world.cut(self.wires[effect.link], told={self})
                case RpcHappened():
                    self.answer(effect.channel, effect)
                case PeerConnected() | PeerDisconnected() | ChannelClosed():
                    self.happened.append(effect)
                case Noticed():
                    self.noticed.append(effect)
                case _:
                    pass
        self.world.arm(self)

    def answer(self, channel: Channel, effect: RpcHappened) -> None:
        """Every call is answered with the number of messages once its caller ended."""
        event = effect.event
        match event:
            case CallReceived():
                self.received.append(event.body)
                self.heard_ns.append(self.world.now_ns)
            case MessagesReceived():
                into = (
                    self.received if (event.call_id % 2 == 0) != channel.session.initiator else self.answers
                )
                into.extend(event.messages)
                if into is self.received:
                    self.heard_ns += [self.world.now_ns] * len(event.messages)
                channel.rpc.took(
                    event.call_id, messages=len(event.messages), nbytes=sum(map(len, event.messages))
                )
            case CallEnded() if (event.call_id % 2 == 0) != channel.session.initiator:
                channel.rpc.send(event.call_id, b"%d" % len(self.received), end=True)
            case _:
                pass
        self.mesh.touch(channel)
        self.world.soon(self.flush)


@dataclass
class Air:
    """Virtual time, wires and their losses."""

    seed: int = 0
    loss: float = 0.0
    traits: LinkTraits = field(default_factory=lambda: LinkTraits("memory", 1_200, has_reliable_lane=True))
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.die = Random(f"{self.seed}/air")
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        self.tickets = itertools.count()
        self.links = itertools.count(1)
        self.nodes: dict[str, Node] = {}
        self.dark: set[str] = set()  # addresses that don't answer
        self.middle: Callable[[Node, bytes], bytes] | None = None  # somebody who alters frames
        self.frames = 0

    def node(self, name: str, *, visible: bool = True) -> Node:
        node = self.nodes[f"memory://{name}"] = Node(self, name, visible=visible)
        return node

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self.heap, (when_ns, next(self.tickets), action))

    def soon(self, action: Callable[[], None]) -> None:
        self.at(self.now_ns, action)

    def run(self, span_ns: int) -> None:
        end_ns = self.now_ns + span_ns
        while self.heap and self.heap[0][0] <= end_ns:
            self.now_ns, _, action = heapq.heappop(self.heap)
            action()
        self.now_ns = end_ns

    def arm(self, node: Node) -> None:
        due_ns = node.mesh.next_timeout()
        mesh = node.mesh
        if due_ns is not None:
            self.at(max(due_ns, self.now_ns), lambda: self.wake(node, mesh))

    def wake(self, node: Node, mesh: Mesh) -> None:
        due_ns = mesh.next_timeout()
        if node.up and node.mesh is mesh and due_ns is not None and due_ns <= self.now_ns:
            node.execute(mesh.handle_timeout(now_ns=self.now_ns))

    def dial(self, caller: Node, dial: Dial) -> None:
        callee = self.nodes.get(dial.address)

        def arrive() -> None:
            if callee is None or not callee.up or dial.address in self.dark:
                caller.handle(DialFailed(dial.target, "nobody answers"))
            elif caller.up:
                self.join(caller, callee, dial.target, dial.address)

        self.at(self.now_ns + DELAY_NS, arrive)

    def join(
        self,
        caller: Node,
        callee: Node,
        target: NodeId | str | None,
        address: str,
        *,
        traits: LinkTraits | None = None,
        delay_ns: int = DELAY_NS,
        bytes_per_s: int | None = None,
    ) -> Wire:
        """A link of its own kind; `rtt_ns` is known to both ends, as transports know it."""
        numbers = {caller: next(self.links), callee: next(self.links)}
        wire = Wire(numbers, traits or self.traits, delay_ns=delay_ns, bytes_per_s=bytes_per_s)
        for node in (caller, callee):
            node.wires[wire.ends[node]] = wire
        for node, dialled in ((caller, True), (callee, False)):
            node.handle(
                LinkUp(
                    link=wire.ends[node],
                    traits=lambda: wire.traits,
                    dialled=dialled,
                    binding=hashlib.sha256(repr(sorted(wire.ends.values())).encode()).digest(),
                    address=address if dialled else f"memory://{caller.name}-out",
                    target=target if dialled else None,
                    stats=LinkStats(rtt_ns=2 * delay_ns if traits is not None else None),
                    backlog=lambda node=node: wire.unsent.get(node, 0),
                    backlog_max=BACKLOG_BYTES_MAX,
                )
            )
        return wire

    def carry(self, sender: Node, effect: SendOn) -> None:
        wire = sender.wires.get(effect.link)
        if wire is None or not wire.up:
            return
        kept = [f for f in effect.frames if effect.reliable or self.die.random() >= self.loss]
        self.frames += len(kept)
        if self.middle is not None:
            kept = [self.middle(sender, frame) for frame in kept]
        receiver = wire.other(sender)
        number = wire.ends[receiver]
        for batch in [kept] if wire.bytes_per_s is None else [[frame] for frame in kept]:
            if not batch:
                continue
            left_ns = self.leave(wire, sender, batch, reliable=effect.reliable)
            if sender not in wire.deaf:
                self.at(
                    left_ns + wire.delay_ns,
                    lambda batch=batch: (wire.up and receiver.handle(LinkReceived(number, batch))) or None,
                )

    def leave(self, wire: Wire, sender: Node, batch: list[bytes], *, reliable: bool) -> int:
        """When the last byte has: one behind the other, as fast as the wire takes them."""
        nbytes = sum(map(len, batch))
        wire.sent += nbytes
        if wire.bytes_per_s is None:
            return self.now_ns
        start_ns = max(self.now_ns, wire.free_ns.get(sender, 0))
        left_ns = wire.free_ns[sender] = start_ns + nbytes * SECOND // wire.bytes_per_s
        if reliable:
            wire.unsent[sender] = wire.unsent.get(sender, 0) + nbytes
            self.at(left_ns, lambda: self.left(wire, sender, nbytes))
        return left_ns

    def left(self, wire: Wire, sender: Node, nbytes: int) -> None:
        before = wire.unsent[sender]
        wire.unsent[sender] = before - nbytes
        half = BACKLOG_BYTES_MAX // 2
        if wire.up and before > half >= before - nbytes:
            sender.handle(LinkWritable(wire.ends[sender]))

    def cut(self, wire: Wire, told: set[Node] | None = None) -> None:
        """Both ends hear of it, except those in `told`, who know."""
        if not wire.up:
            return
        wire.up = False
        for node, number in wire.ends.items():
            node.wires.pop(number, None)
            if node not in (told or set()):
                self.soon(lambda node=node, number=number: node.handle(LinkDown(number, "cut")))


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
def make_air() -> Callable[..., Air]:
    return Air
