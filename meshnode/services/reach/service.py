"""rpc service "reach": where neighbours see us, and direct ways to those whom only relays lead to."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from random import Random

import structlog

from meshnode.ports import DirectLink, Doors, Emit, IncomingCall, Presence, Rpc
from meshnode.services.reach.frames import (
    EMPTY,
    check_empty,
    decode_observed,
    encode_observed,
    place_of,
    text_of,
)
from meshnode.services.reach.gateway import Gateway
from meshnode.services.reach.limits import NS_PER_S, SERVICE, MeetingLimits
from meshnode.services.reach.lookout import Lookout
from meshnode.services.reach.meeting import Meetings
from meshnode.services.reach.outcomes import Outcomes
from meshnode.services.reach.views import ReachReport, WayView
from meshnode.world import Clock
from policies.reach import Observation, Place, Side, Stay, is_global
from protocols.errors import LinkError, RefusedError, RemoteError
from protocols.ids import NodeId, node_id_text, short_id
from transports.portmap import PortMapper

log = structlog.stdlib.get_logger()

DEFAULT_LIMITS = MeetingLimits()
STOPPING = "this node is stopping"
NOT_ASKED = "off; [links] port_mapping = true asks the router"


class ReachService:
    def __init__(
        self,
        rpc: Rpc,
        presence: Presence,
        doors: Doors,
        emit: Emit,
        clock: Clock,
        die: Random,
        *,
        me: NodeId,
        local: Callable[[], tuple[str, ...]],
        publish: Callable[[tuple[str, ...]], Awaitable[None]],
        may_meet: Callable[[NodeId], bool],
        mapper: PortMapper | None = None,
        limits: MeetingLimits = DEFAULT_LIMITS,
    ) -> None:
        """`local`: addresses of our interfaces. `publish`: others, for our record. `may_meet`: who may learn ours."""
        self._rpc, self._presence, self._doors, self._emit, self._clock = rpc, presence, doors, emit, clock
        self._local, self._publish, self._may_meet, self._limits = local, publish, may_meet, limits
        self._lookout = Lookout(limits)
        self._outcomes = Outcomes(me, die, limits)
        self._meetings = Meetings(rpc, doors, self._side, clock.now_ns, limits)
        self._gateway = None if mapper is None else Gateway(mapper, self._port, self._forwarded, die, limits)
        self._published: tuple[str, ...] = ()
        self._kinds: dict[int, str] = {}
        self._answering = 0
        self._bell = asyncio.Event()
        rpc.register(SERVICE, self._handle)
        presence.watch(lambda _, __: self._bell.set())

    # -- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as crew:
            if self._gateway is not None:
                crew.create_task(self._gateway.run())
            meeting: dict[NodeId, asyncio.Task[None]] = {}
            while True:
                self._bell.clear()
                await self._look_out()
                meeting = {peer: task for peer, task in meeting.items() if not task.done()}
                for peer in self._to_meet():
                    if peer not in meeting and len(meeting) < self._limits.at_once_max:
                        self._outcomes.began(peer)
                        meeting[peer] = crew.create_task(self._meet(peer))
                await self._rest()

    def connected(self, peer: NodeId) -> None:
        """It has another link, or is reached over others now."""
        if self._doors.direct(peer):
            self._meetings.bound(peer)
            self._outcomes.found_direct(peer)
        self._bell.set()

    def network_changed(self) -> None:
        self._lookout.forget()
        self._outcomes.hurry()
        if self._gateway is not None:
            self._gateway.network_changed()
        self._bell.set()

    def report(self) -> ReachReport:
        now_ns = self._clock.now_ns()
        self._lookout.own = self._own()
        reach = self._lookout.reach(now_ns=now_ns)
        return ReachReport(
            tuple(
                WayView(version, each.kind, None if each.place is None else text_of(each.place), each.reason)
                for version, each in reach.items()
            ),
            self._lookout.observers,
            self._published,
            NOT_ASKED if self._gateway is None else self._gateway.status,
            self._outcomes.views(now_ns=now_ns),
        )

    def _side(self) -> Side:
        self._lookout.own = self._own()
        return self._lookout.side(now_ns=self._clock.now_ns())

    def _own(self) -> tuple[Place, ...]:
        return tuple(place for address in self._local() if (place := place_of(address)) is not None)

    def _port(self) -> int | None:
        return next((place.port for place in self._own() if ":" not in place.host), None)

    async def _rest(self) -> None:
        """Until something happens; where a peer needs looking after, not for longer than until the next look is due.

        A peer whose link is lost while others still lead to it rings no bell: one is seen at the next look.
        """
        relayed = self._relayed()
        if not self._lookout.own or not (relayed or self._outside_links()):
            await self._bell.wait()
            return
        now_ns = self._clock.now_ns()
        due_ns = self._outcomes.next_due(relayed) or now_ns + self._limits.look_ns
        rest_ns = min(max(due_ns - now_ns, NS_PER_S), self._limits.look_ns)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest_ns / NS_PER_S):
                await self._bell.wait()

    # -- where we are seen ------------------------------------------------------------------------------------

    async def _look_out(self) -> None:
        await self._ask_all(soon=False)
        await self._reconsider()

    async def _freshen(self) -> None:
        """Before we tell where we are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.freshen_s):
                await self._ask_all(soon=True)

    async def _ask_all(self, *, soon: bool) -> None:
        self._lookout.own = self._own()
        if not self._lookout.own:
            return
        now_ns = self._clock.now_ns()
        outside = self._outside_links()
        await self._ask_each(
            [each for each in outside if self._lookout.is_due(each[0], soon=soon, now_ns=now_ns)], twice=soon
        )
        await self._ask_each([each for each in outside if self._lookout.is_doubtful(each[0])], twice=True)

    async def _ask_each(self, observers: list[tuple[NodeId, DirectLink]], *, twice: bool) -> None:
        """Twice: after a NAT restarted, our first word only moves the link at the other end, which answers as before."""
        for start in range(0, len(observers), self._limits.observers_max):
            some = observers[start : start + self._limits.observers_max]
            for _ in range(1 + twice):
                await asyncio.gather(*(self._ask(peer, link) for peer, link in some))

    def _outside_links(self) -> list[tuple[NodeId, DirectLink]]:
        return [
            (peer, link)
            for peer in self._presence.connected()
            for link in self._doors.direct(peer)[:1]
            if _is_outside(link)
        ]

    async def _ask(self, peer: NodeId, link: DirectLink) -> None:
        observer = place_of(link.address)
        assert observer is not None, "only such links are asked about"
        try:
            body = await self._rpc.call(peer, SERVICE, "observed", EMPTY, timeout_s=self._limits.ask_s)
            seen = decode_observed(body)
        except (LinkError, RefusedError, RemoteError, TimeoutError) as error:
            log.debug("not_observed", peer=short_id(peer), reason=str(error))
            return
        if seen is not None:
            observation = Observation(observer, seen, link.dialled, link.uninvited)
            self._lookout.note(peer, observation, now_ns=self._clock.now_ns())

    async def _forwarded(self, place: Place | None) -> None:
        if place != self._lookout.forwarded:
            self._lookout.forwarded = place
            await self._reconsider()
            self._bell.set()

    async def _reconsider(self) -> None:
        """Tell whoever listens, and whoever reads our record, what is new."""
        now_ns = self._clock.now_ns()
        reach = self._lookout.reach(now_ns=now_ns)
        kinds: dict[int, str] = {version: each.kind for version, each in reach.items()}
        if kinds != self._kinds:
            self._kinds = kinds
            self._outcomes.hurry()
            self._emit(
                "reach_changed",
                {
                    f"ipv{version}": {"kind": each.kind, "reason": each.reason}
                    for version, each in reach.items()
                },
            )
        published = tuple(map(text_of, self._lookout.uninvited(now_ns=now_ns)))
        if published != self._published:
            self._published = published
            await self._publish(published)

    # -- meetings ---------------------------------------------------------------------------------------------

    def _relayed(self) -> list[NodeId]:
        return [
            peer
            for peer in self._presence.connected()
            if not self._doors.direct(peer) and self._may_meet(peer)
        ]

    def _to_meet(self) -> list[NodeId]:
        if not self._lookout.own:
            return []
        now_ns = self._clock.now_ns()
        return [peer for peer in self._relayed() if self._outcomes.may_begin(peer, now_ns=now_ns)]

    async def _meet(self, peer: NodeId) -> None:
        try:
            await self._freshen()
            stay = await self._meetings.begin(peer)
        except asyncio.CancelledError:
            self._ended(peer, STOPPING)
            raise
        except (LinkError, RefusedError, RemoteError) as error:
            self._ended(peer, str(error))
        except TimeoutError:
            self._ended(peer, "the peer did not answer in time")
        else:
            self._ended(peer, stay)
        self._bell.set()

    def _ended(self, peer: NodeId, outcome: Stay | str | None) -> None:
        """With a direct link, with the insight that there can be none now, or in vain."""
        now_ns = self._clock.now_ns()
        if self._doors.direct(peer):
            self._outcomes.direct(peer, now_ns=now_ns)
        elif isinstance(outcome, Stay):
            self._outcomes.relayed(peer, outcome.reason, now_ns=now_ns)
        else:
            self._outcomes.failed(peer, outcome or "the link was lost at once", now_ns=now_ns)
        direct = bool(self._doors.direct(peer))
        log.info("met" if direct else "not_met", peer=short_id(peer), reason=str(outcome or ""))
        self._emit("peer_met" if direct else "peer_not_met", {"node_id": node_id_text(peer)})

    # -- asked by others --------------------------------------------------------------------------------------

    async def _handle(self, call: IncomingCall) -> bytes | None:
        match call.method:
            case "observed":
                check_empty(call.body)
                links = self._doors.direct(call.peer)
                return encode_observed(links[0].address if links and place_of(links[0].address) else "")
            case "meet":
                await self._answer(call)
                return None
            case _:
                raise RefusedError("unknown_method", f"the service {SERVICE!r} has no method {call.method!r}")

    async def _answer(self, call: IncomingCall) -> None:
        peer = call.peer
        if not self._may_meet(peer):
            raise RefusedError("not_a_contact", "this node tells its addresses to contacts only")
        if self._doors.direct(peer):
            raise RefusedError("direct_already", "there is a direct link")
        if self._answering >= self._limits.answered_at_once_max or not self._outcomes.may_answer(
            peer, now_ns=self._clock.now_ns()
        ):
            raise RefusedError("busy", "a meeting is under way; try again later")
        self._outcomes.began(peer)
        self._answering += 1
        try:
            await self._freshen()
            stay = await self._meetings.answer(call)
        except (LinkError, RemoteError) as error:
            self._ended(peer, str(error))
            raise
        except TimeoutError:
            self._ended(peer, "the peer gave no word in time")
        except asyncio.CancelledError:
            self._ended(peer, STOPPING)
            raise
        else:
            self._ended(peer, stay)
        finally:
            self._answering -= 1


def _is_outside(link: DirectLink) -> bool:
    """Neighbours in our own house see nothing of our NAT."""
    place = place_of(link.address)
    return place is not None and is_global(place.host)
