"""What the parts of the service share: the carrier, the disk, the clocks, and who listens."""

import asyncio
from collections import Counter
from collections.abc import Callable

from meshnode.ports import Emit, Mail, Presence, Standings
from meshnode.services.courier.parcels import Parcels
from meshnode.services.courier.tables import Start, put_note
from meshnode.settings import CourierSettings
from meshnode.world import Clock, Database
from protocols.courier import WALL_S_MIN, Carrier, CarryLimits, DeliveredNote, Meetings
from protocols.ids import NodeId, message_id_text, node_id_text
from protocols.keys import Identity
from protocols.noise import Kem

NS_PER_S = 1_000_000_000


class Desk:
    def __init__(
        self,
        identity: Identity,
        store: Database,
        presence: Presence,
        standings: Standings,
        mail: Mail,
        emit: Emit,
        clock: Clock,
        entropy: Callable[[int], bytes],
        kem: Kem | None,
        settings: CourierSettings,
        is_near: Callable[[NodeId], bool],
    ) -> None:
        self.identity, self.store, self.presence, self.standings = identity, store, presence, standings
        self.mail, self.emit, self.entropy, self.kem, self.settings = mail, emit, entropy, kem, settings
        self.limits = CarryLimits(
            copies=settings.copies, bytes_max=settings.quota_bytes, giver_bytes_max=settings.giver_bytes
        )
        self.counts: Counter[str] = Counter()  # for the metrics; fixed words
        self.parcels = Parcels()
        self.bell = asyncio.Event()  # rings when the background loop has something to do
        self.ready = asyncio.Event()
        self.news: dict[NodeId, None] = {}  # peers that there is something new for
        self.is_near = is_near
        self._clock = clock
        self.carrier = self._new_carrier({})

    def _new_carrier(self, met: dict[NodeId, int]) -> Carrier:
        return Carrier(
            self.identity.node_id,
            self.limits,
            Meetings(self.limits.met_max, met),
            willing=self.settings.carry,
        )

    def furnish(self, start: Start) -> None:
        """Begin with what the disk holds."""
        self.parcels = Parcels()
        self.parcels.furnish(start.parcels)
        self.carrier = self._new_carrier(start.met)
        self.carrier.furnish(start.carried, start.notes)

    @property
    def me(self) -> NodeId:
        return self.identity.node_id

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def now_s(self) -> int:
        """By the wall clock, the only one that all share."""
        return max(0, self._clock.wall_ns() // NS_PER_S)

    @property
    def clock_is_set(self) -> bool:
        return self.now_s() >= WALL_S_MIN

    def company(self) -> list[NodeId]:
        """Who can be spoken to, also over others; contacts first."""
        here = [peer for peer in self.presence.connected() if not self.standings.is_blocked(peer)]
        return sorted(here, key=lambda peer: not self.standings.is_contact(peer))

    def tell_all(self) -> None:
        """There is something new to offer, or a note."""
        self.news.update(dict.fromkeys(self.company()))
        self.bell.set()

    def meet(self) -> None:
        """Who has a link of its own by now, and who has none any more."""
        now_s = self.now_s()
        for peer in self.company():
            self.carrier.up(peer, now_s=now_s, near=self.is_near(peer))

    async def learn(self, note: DeliveredNote, teller: NodeId | None) -> None:
        """A verified note: what it is about is carried no more, and what of ours is in it was delivered.

        Raises StoreError: then it is as if nobody had told us.
        """
        carrier = self.carrier
        custody = carrier.shelf.get(note.id)
        if not carrier.arrived(note, now_s=self.now_s(), teller=teller):
            return
        try:
            if custody is not None and custody.is_own:
                await self.mail.brought(note.receiver, self.parcels.messages_of(note.id))
            await self.store.write(
                lambda connection: put_note(connection, note, notes_max=self.limits.notes_max)
            )
        except BaseException:
            carrier.forget_note(note.id)
            raise
        if carrier.drop(note.id) is not None:
            self.counts["stopped_carrying"] += 1
            if custody is not None and not custody.is_own:
                self.emit("courier_done", {"to": node_id_text(note.receiver), "id": note.id.hex()})
        self.parcels.drop(note.id)
        self.tell_all()

    def tell_carried(self, sealed_id: bytes, to: NodeId, courier: NodeId, couriers: int) -> None:
        for message in self.parcels.messages_of(sealed_id):
            self.emit(
                "message_carried",
                {
                    "message_id": message_id_text(message),
                    "peer": node_id_text(to),
                    "courier": node_id_text(courier),
                    "couriers": couriers,
                },
            )
