"""One meeting: two nodes that only relays join open both their NATs at one moment, and call each other.

    we                                   the peer
     | meet: our addresses ------------> |
     | <------------------ its addresses |   the time between is a round trip
     | knock                       knock |   a byte that dies on its way: our NAT expects answers now
     | now ----------------------------> |
     | (half a round trip)               |
     | call all its addresses      and ours, from the sockets that listen

After DCUtR (Seemann, Inden, Vyzovitis 2022) with candidates as in ICE (RFC 8445). Unlike there both sides dial: the first
flight of QUIC is what opens the other's way in, and whichever of two links is one too many the core closes.
"""

import asyncio
import contextlib
from collections.abc import Callable

from meshnode.ports import Doors, IncomingCall, Rpc
from meshnode.services.reach.frames import EMPTY, check_empty, decode_side, encode_side, text_of
from meshnode.services.reach.limits import NS_PER_S, SERVICE, MeetingLimits
from policies.reach import Meeting, Place, Side, Stay, plan_meeting
from protocols.errors import LinkError, SettingsError
from protocols.ids import NodeId


class Meetings:
    """`bound` rings when a direct link to a peer came about, from whichever side."""

    def __init__(
        self,
        rpc: Rpc,
        doors: Doors,
        side: Callable[[], Side],
        now_ns: Callable[[], int],
        limits: MeetingLimits,
    ) -> None:
        self._rpc, self._doors, self._side, self._now_ns, self._limits = rpc, doors, side, now_ns, limits
        self._bound: dict[NodeId, asyncio.Event] = {}  # of meetings under way

    def bound(self, peer: NodeId) -> None:
        if (bell := self._bound.get(peer)) is not None:
            bell.set()

    async def begin(self, peer: NodeId) -> Stay | None:
        """None once there is a direct link. Raises LinkError where there is none, RefusedError, RemoteError, TimeoutError."""
        ours = self._side()
        async with asyncio.timeout(self._limits.meet_s):
            began_ns = self._now_ns()
            call = await self._rpc.open(
                peer, SERVICE, "meet", encode_side(ours), timeout_s=self._limits.meet_s
            )
            try:
                answer = await anext(aiter(call.messages()), b"")
                half_way_ns = (self._now_ns() - began_ns) // 2
                plan = plan_meeting(ours, decode_side(answer))
                if isinstance(plan, Stay):
                    await call.end()
                    return plan
                self._knock(plan)
                await call.send(EMPTY)
                await self._call_all(peer, plan, half_way_ns)
                await call.end()
            except BaseException:
                await call.cancel()
                raise
        return None

    async def answer(self, call: IncomingCall) -> Stay | None:
        """As `begin`, for a meeting that the peer began."""
        theirs = decode_side(call.body)
        ours = self._side()
        plan = plan_meeting(ours, theirs)
        async with asyncio.timeout(self._limits.meet_s):
            await call.send(encode_side(ours))
            if isinstance(plan, Stay):
                return plan
            self._knock(plan)
            word = await anext(aiter(call.messages()), None)
            if word is None:
                return Stay("the peer found no way to call us")
            check_empty(word)
            await self._call_all(call.peer, plan, 0)
        return None

    def _knock(self, plan: Meeting) -> None:
        for place in plan.targets:
            with contextlib.suppress(LinkError):  # no socket of that kind here: then its dial will say so
                self._doors.knock(text_of(place))

    async def _call_all(self, peer: NodeId, plan: Meeting, wait_ns: int) -> None:
        """Returns once a link is bound, ours or theirs; the dials that are then under way are given up."""
        bell = self._bound[peer] = asyncio.Event()
        reasons: list[str] = []
        try:
            await asyncio.sleep(wait_ns / NS_PER_S)
            if self._doors.direct(peer):
                return
            dials = [asyncio.create_task(self._call_one(peer, each, reasons)) for each in plan.targets]
            try:
                async with asyncio.timeout(self._limits.dial_s):
                    await bell.wait()
            finally:
                await _give_up(dials)
        except TimeoutError:
            raise LinkError(reasons[-1] if reasons else "nobody answered in time") from None
        finally:
            del self._bound[peer]

    async def _call_one(self, peer: NodeId, place: Place, reasons: list[str]) -> None:
        try:
            await self._doors.dial_now(peer, text_of(place))
        except (LinkError, SettingsError) as error:
            reasons.append(str(error))


async def _give_up(dials: list[asyncio.Task[None]]) -> None:
    for dial in dials:
        dial.cancel()
    await asyncio.gather(*dials, return_exceptions=True)
