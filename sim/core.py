"""Lane A: the bare core, as `build_mesh` makes it, on the heap; no loop, no store, no services.

Its application is a box to which others post: what was not answered is posted again over the next session, and a
number known already is not read twice.
"""

from collections.abc import Mapping
from typing import cast

from meshnode.build import BOOT_BYTES, build_mesh
from meshnode.mesh import (
    BroadcastHeard,
    ChannelClosed,
    CloseLink,
    Dial,
    DialFailed,
    Effect,
    LinkDown,
    LinkReceived,
    LinkUp,
    LinkWritable,
    MeshEvent,
    Noticed,
    PeerConnected,
    PeerDisconnected,
    RpcHappened,
    SendOn,
)
from protocols.directory import sign_record
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError
from protocols.ids import NodeId
from protocols.routing.broadcast import SALT_BYTES
from protocols.rpc import (
    CallCancelled,
    CallEnded,
    CallReceived,
    CallRefused,
    CallWritable,
    MessagesReceived,
)
from sim.host import Host
from sim.journal import Letter
from sim.media import Port
from sim.meshwork import counts_of, shout_frame
from sim.models.wire import SimLink
from sim.shouts import Shout
from sim.timeline import NS_PER_MS, Entry
from transports.api import Link

EXPIRES_S = 2**40  # of the records that cores show each other
SERVICE, METHOD = "post", "box"
DIAL_WAIT_NS = 400_000_000  # two cores that see each other at once should not both dial


class Core:
    """One boot of one core. It is its own `PeerFacts`: what the owner's book knows of others."""

    def __init__(self, host: Host) -> None:
        self.host, self._village = host, host.village
        self._now_ns = host.clock.now_ns
        self._timeline = host.village.timeline
        boot = f"{host.name}/{host.boots}"
        entropy = self._entropy = host.dice.entropy(boot)
        media = [self._village.media[scheme] for scheme in host.media]
        self.ports = [
            Port(medium, host.name, self._arrived, self._seen, host.spend(medium.kind.scheme))
            for medium in media
        ]
        addresses = tuple(port.medium.address(host.name) for port in self.ports)
        record = sign_record(
            host.identity,
            sequence=host.boots,
            expires_at=EXPIRES_S,
            addresses=addresses,
            services=(SERVICE,),
            features=(),
            name=host.name,
        )
        own_addresses = frozenset(addresses)
        self.mesh = build_mesh(
            host.identity,
            own_record=lambda: record,
            own_addresses=lambda: own_addresses,
            answer_strangers=True,
            boot=entropy(BOOT_BYTES),
            kem=None,
            entropy=entropy,
            dice=host.dice.of(boot),
            wall_ms=lambda: host.clock.wall_ns() // NS_PER_MS,
        )
        self.mesh.facts = self
        self._links: dict[int, SimLink] = {}
        self._numbers: dict[SimLink, int] = {}
        self._made = 0
        self._alarm: Entry | None = None
        self._alarm_ns: int | None = None  # of its own clock, for which the alarm is meant
        self._flushing = False
        self._unanswered: dict[NodeId, dict[int, Letter]] = {}
        self._posted: dict[tuple[int, int], Letter] = {}  # by (channel, call)
        self._dead = False
        self._die = host.village.sightings
        for port in self.ports:
            port.medium.open(port)
            for other in port.medium.neighbours(host.name):
                port.medium.show(host.name, other)
                port.medium.show(other, host.name)
        for other in host.acquaintances:
            self.mesh.want(other.node_id, now_ns=self._now_ns())
        self._flush_soon()

    # -- Process ----------------------------------------------------------------------------------------------

    def send(self, letter: Letter) -> None:
        peer = self._village.hosts[letter.receiver].node_id
        self._unanswered.setdefault(peer, {})[letter.number] = letter
        self._village.journal.accept(letter)
        self.mesh.want(peer, now_ns=self._now_ns())
        self._post(peer)
        self._flush_soon()

    def shout(self, shout: Shout) -> None:
        self.mesh.shout(shout_frame(self.host, shout, self._entropy(SALT_BYTES)), now_ns=self._now_ns())
        self._flush_soon()

    def counted(self) -> Mapping[str, int]:
        return counts_of(self.mesh)

    def kill(self) -> None:
        self._end()
        for port in self.ports:
            port.unplug()

    def stop(self) -> None:
        self._end()
        for port in self.ports:
            port.close()

    def wake(self) -> None:
        self._alarm_ns = None  # its clock stood still: that moment is another now
        self._arm()

    def holds(self, letter: Letter) -> bool:
        """It was not answered yet."""
        peer = self._village.hosts[letter.receiver].node_id
        return letter.number in self._unanswered.get(peer, ()) or letter in self._posted.values()

    def _end(self) -> None:
        self._dead = True
        if self._alarm is not None:
            self._timeline.cancel(self._alarm)

    # -- PeerFacts --------------------------------------------------------------------------------------------

    def x25519(self, peer: NodeId) -> bytes | None:
        known = self._village.host_of(peer)
        return known.identity.x25519_public if known in self.host.acquaintances else None

    def hybrid(self, peer: NodeId) -> bool:  # noqa: ARG002 - the shape of PeerFacts
        return False

    def addresses(self, peer: NodeId) -> list[str]:
        known = self._village.host_of(peer)
        if known is None or known not in self.host.acquaintances:
            return []
        return [port.medium.address(known.name) for port in self.ports if port.medium.kind.everywhere]

    def is_blocked(self, peer: NodeId) -> bool:  # noqa: ARG002 - the shape of PeerFacts
        return False

    def is_contact(self, peer: NodeId) -> bool:
        return self._village.host_of(peer) in self.host.acquaintances

    def seen_hybrid(self, peer: NodeId) -> bool:  # noqa: ARG002 - the shape of PeerFacts
        return False

    # -- LinkObserver -----------------------------------------------------------------------------------------

    def link_received(self, link: Link, frames: list[bytes]) -> None:
        if (number := self._numbers.get(cast("SimLink", link))) is not None:
            self._tell(LinkReceived(number, frames))

    def link_writable(self, link: Link) -> None:
        if (number := self._numbers.get(cast("SimLink", link))) is not None:
            self._tell(LinkWritable(number))

    def link_lost(self, link: Link, reason: str) -> None:
        number = self._numbers.pop(cast("SimLink", link), None)
        if number is not None:
            del self._links[number]
            self._tell(LinkDown(number, reason))

    # -- driving ----------------------------------------------------------------------------------------------

    def _tell(self, event: MeshEvent) -> None:
        if not self._dead:
            self._execute(self.mesh.handle(event, now_ns=self._now_ns()))

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._timeline.at(self._timeline.now_ns, "flush", self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if not self._dead:
            self._execute(self.mesh.flush(now_ns=self._now_ns()))

    def _ring(self) -> None:
        """Where the clock stood still meanwhile it is too early, and nothing happens."""
        self._alarm = self._alarm_ns = None
        self._execute(self.mesh.handle_timeout(now_ns=self._now_ns()))

    def _arm(self) -> None:
        """The alarm stands at the very moment that the core asks for: ringing in vain costs more than moving it."""
        due_ns = self.mesh.next_timeout()
        if due_ns == self._alarm_ns or self._dead:
            return
        if self._alarm is not None:
            self._timeline.cancel(self._alarm)
        self._alarm, self._alarm_ns = None, due_ns
        if due_ns is not None and (true_ns := self.host.clock.true_for(due_ns)) is not None:
            self._alarm = self._timeline.at(true_ns, "alarm", self._ring)  # else suspended: `wake` comes

    def _execute(self, effects: list[Effect]) -> None:  # noqa: C901, PLR0912 - one flat table of effects
        for effect in effects:
            match effect:
                case SendOn():
                    if (link := self._links.get(effect.link)) is not None:
                        link.send(effect.frames, reliable=effect.reliable)
                case RpcHappened():
                    self._on_rpc(effect)
                case Dial():
                    self._dial(effect)
                case CloseLink():
                    if (link := self._links.pop(effect.link, None)) is not None:
                        self._numbers.pop(link, None)
                        link.shut(effect.reason)
                case PeerConnected():
                    self._village.linked(self.host, effect.peer, up=True)
                    self._post(effect.peer)
                case PeerDisconnected():
                    self._village.linked(self.host, effect.peer, up=False)
                case ChannelClosed():
                    for key in [key for key in self._posted if key[0] == effect.channel]:
                        letter = self._posted.pop(key)
                        self._unanswered.setdefault(effect.peer, {})[letter.number] = letter
                    self._post(effect.peer)
                case BroadcastHeard():
                    self._village.journal.shouts.hear(self.host.name, effect.broadcast.body.decode())
                case Noticed():
                    pass
        if not self._flushing:
            self._arm()

    # -- links ------------------------------------------------------------------------------------------------

    def _arrived(self, link: SimLink) -> None:
        self._adopt(link, None)

    def _dial(self, dial: Dial) -> None:
        scheme = dial.address.partition("://")[0]
        port = next((each for each in self.ports if each.medium.kind.scheme == scheme), None)
        if port is None:
            self._tell(DialFailed(dial.target, f"this node has no transport {scheme!r}"))
            return

        def done(link: SimLink | None, reason: str) -> None:
            if link is None:
                self._tell(DialFailed(dial.target, reason))
            else:
                self._adopt(link, dial.target)

        port.medium.dial(port, dial.address, done)

    def _adopt(self, link: SimLink, target: NodeId | str | None) -> None:
        self._made += 1
        number = self._made
        self._links[number], self._numbers[link] = link, number
        self._tell(LinkUp.of(number, link, target))
        link.attach(self)

    def _seen(self, other: Port) -> None:
        """Whom it knows it calls at once, as the other may too; a stranger after a moment, as the node does."""
        peer = self._village.hosts[other.claims]
        address = other.medium.address(other.name)
        now_ns = self._now_ns()
        if peer in self.host.acquaintances:
            self.mesh.expect(peer.node_id, [address], keep=False, now_ns=now_ns)
        elif self._village.open_to_strangers:
            after_ns = self._die.randint(0, DIAL_WAIT_NS)
            self.mesh.expect(address, [address], keep=False, now_ns=now_ns, after_ns=after_ns)
        self._flush_soon()

    # -- the box ----------------------------------------------------------------------------------------------

    def _post(self, peer: NodeId) -> None:
        waiting = self._unanswered.get(peer)
        channel = self.mesh.channel(peer)
        if not waiting or channel is None:
            return
        for letter in list(waiting.values()):
            try:
                call = channel.rpc.call(
                    SERVICE,
                    METHOD,
                    letter.text.encode(),
                    deadline_ms=0,
                    traffic=TrafficClass.INTERACTIVE,
                    end=True,
                    now_ns=self._now_ns(),
                )
            except RefusedError:  # busy: the next answer makes room
                break
            self._posted[channel.id, call] = letter
            del waiting[letter.number]
        self.mesh.touch(channel)
        self._flush_soon()

    def _on_rpc(self, effect: RpcHappened) -> None:
        channel, event = effect
        match event:
            case CallReceived():
                text = event.body.decode(errors="replace")
                if text not in self.host.read_texts:
                    self.host.read_texts[text] = None
                    sender = self._village.host_of(channel.peer)
                    self._village.journal.arrive(self.host.name, sender.name if sender else "?", text)
                channel.rpc.send(event.call_id, b"ok", end=True)
            case MessagesReceived():
                size = sum(map(len, event.messages))
                channel.rpc.took(event.call_id, messages=len(event.messages), nbytes=size)
            case CallEnded():
                if self._posted.pop((channel.id, event.call_id), None) is not None:
                    self._post(channel.peer)  # what found no room before
            case CallRefused() | CallCancelled():
                if (letter := self._posted.pop((channel.id, event.call_id), None)) is not None:
                    self._unanswered.setdefault(channel.peer, {})[letter.number] = letter
            case CallWritable():
                pass
        self.mesh.touch(channel)
        self._flush_soon()
