"""The broadcasts service: what the rest of the node may ask, and the queue between the core and the disk."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from itertools import islice

from meshnode.ports import Emit, Shouting, Standings
from meshnode.services.broadcasts.broadcast import NS_PER_MS, TEXT, Counts, StoredBroadcast, readable
from meshnode.services.broadcasts.limits import (
    BATCH_MAX,
    EMERGENCIES_PER_MINUTE,
    EXPIRES_S_DEFAULT,
    EXPIRES_S_MAX,
    HEARD_MAX,
    LIST_MAX,
    NS_PER_S,
    RECALLED_MAX,
    RETRY_NS,
    SENT_BURST,
    SENT_PER_MINUTE,
    TEXT_BYTES_MAX,
    ShelfLimits,
)
from meshnode.services.broadcasts.tables import (
    Entry,
    page,
    place_of,
    recent_frames,
    shown_of,
    size,
    store,
)
from meshnode.world import Clock, Database
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError, StoreError
from protocols.ids import MessageId, NodeId, message_id_text
from protocols.keys import Identity
from protocols.routing.broadcast import (
    EVERYBODY,
    SALT_BYTES,
    SCOPE_HOPS_MAX,
    Broadcast,
    Rates,
    make_broadcast,
)

PLACE_MAX = 2**63 - 1  # of a row


class BroadcastsService:
    """Keep `run` alive; everything else may be called at any time and waits until `run` has read the store."""

    def __init__(
        self,
        database: Database,
        shouting: Shouting,
        standings: Standings,
        emit: Emit,
        clock: Clock,
        entropy: Callable[[int], bytes],
        identity: Identity,
        *,
        limits: ShelfLimits | None = None,
    ) -> None:
        self._store, self._shouting, self._standings = database, shouting, standings
        self._emit, self._clock, self._entropy, self._identity = emit, clock, entropy, identity
        self._limits = limits or ShelfLimits()
        self._me = identity.node_id
        self._heard: deque[Entry] = deque()
        self._bell = asyncio.Event()  # something was heard
        self._ready = asyncio.Event()
        self._happened: Counter[str] = Counter()
        self._news = Rates(per_minute=SENT_PER_MINUTE, burst=SENT_BURST, nodes_max=1)
        self._alarms = Rates(per_minute=EMERGENCIES_PER_MINUTE, burst=EMERGENCIES_PER_MINUTE, nodes_max=1)
        shouting.hear(self._on_heard)

    async def run(self) -> None:
        """Serve until cancelled. Raises StoreError when the store can't be read at the start."""
        self._shouting.recall(
            await self._store.read(lambda connection: recent_frames(connection, RECALLED_MAX))
        )
        self._ready.set()
        while True:
            self._bell.clear()
            try:
                await self._keep_heard()
            except StoreError:  # what was heard waits; the neighbours have it too
                self._happened["store_failures"] += 1
                await asyncio.sleep(RETRY_NS / NS_PER_S)
                continue
            await self._bell.wait()

    # -- writing ----------------------------------------------------------------------------------------------

    async def send(
        self, text: str, *, hops: int = 0, emergency: bool = False, expires_s: int = EXPIRES_S_DEFAULT
    ) -> StoredBroadcast:
        """Returns once it is on disk and on its way. `hops`: no farther than this; 0: to everybody.

        Raises RefusedError or StoreError: then it was not sent.
        """
        body = _body_of(text)
        if not 0 <= hops <= SCOPE_HOPS_MAX:
            raise RefusedError(
                "bad_hops", f"a broadcast goes 1 to {SCOPE_HOPS_MAX} hops far, or 0: everywhere"
            )
        if not 0 < expires_s <= EXPIRES_S_MAX:
            raise RefusedError("bad_expiry", f"a broadcast lives from 1 to {EXPIRES_S_MAX} seconds")
        await self._ready.wait()
        rates = self._alarms if emergency else self._news
        if not rates.allow(self._me, self._clock.now_ns()):
            raise RefusedError(
                "too_often", "others would not pass on so many broadcasts of one source; wait a minute"
            )
        at_ms = max(0, self._clock.wall_ns() // NS_PER_MS)
        expires_ms = at_ms + expires_s * 1_000
        frame = make_broadcast(
            self._identity,
            kind=TEXT,
            body=body,
            at_ms=at_ms,
            expires_ms=expires_ms,
            traffic=TrafficClass.EMERGENCY if emergency else TrafficClass.INTERACTIVE,
            salt=self._entropy(SALT_BYTES),
            hops=hops,
        )
        sent = StoredBroadcast(
            MessageId(frame[4:20]),
            self._me,
            body.decode(),
            at_ms,
            expires_ms,
            emergency=emergency,
            hops=hops,
            ours=True,
            stranger=False,
        )
        limits = self._limits
        await self._store.write(lambda connection: store(connection, [Entry(sent, frame)], limits))
        self._shouting.shout(frame)
        self._happened["sent"] += 1
        self._emit("broadcast_sent", sent.as_dict())
        return sent

    # -- reading ----------------------------------------------------------------------------------------------

    async def broadcasts(
        self, since: MessageId | None = None, limit: int = 100, *, oldest: bool = False
    ) -> list[StoredBroadcast]:
        """Oldest first, in the order in which they were stored here: the newest `limit`; with `since`, the oldest so
        many that came after it, with `oldest` those of all. Those of blocked sources are left out.

        Raises RefusedError when `since` isn't here.
        """
        place, upwards = 0, oldest or since is not None
        if since is not None:
            found = await self._store.read(lambda connection: place_of(connection, since))
            if found is None:
                raise RefusedError(
                    "unknown_broadcast", f"there is no broadcast {message_id_text(since)} here"
                )
            place = found
        elif not oldest:
            place = PLACE_MAX
        wanted = max(0, min(limit, LIST_MAX))
        shown: list[StoredBroadcast] = []
        while len(shown) < wanted:
            start, missing = place, wanted - len(shown)
            rows = await self._store.read(
                lambda db, at=start, rest=missing: page(db, at, rest, upwards=upwards)
            )
            if not rows:
                break
            place = rows[-1][0]
            everything = (
                shown_of(row, me=self._me, stranger=self._is_stranger(NodeId(row[2]))) for _, row in rows
            )
            shown += [each for each in everything if not self._standings.is_blocked(each.source)]
        return shown if upwards else shown[::-1]

    async def counts(self) -> Counts:
        kept, nbytes = await self._store.read(size)
        return Counts(kept, nbytes, dict(self._happened))

    # -- what comes -------------------------------------------------------------------------------------------

    def _on_heard(self, broadcast: Broadcast, frame: bytes) -> None:
        word = self._take(broadcast, frame)
        if word is not None:
            self._happened[word] += 1

    def _take(self, broadcast: Broadcast, frame: bytes) -> str | None:
        """A fixed word where it will not be shown."""
        if broadcast.topic != EVERYBODY:
            return "other_topic"
        if broadcast.kind != TEXT:
            return "other_kind"
        if self._standings.is_blocked(broadcast.source):
            return "from_blocked"
        text = readable(broadcast.body) if len(broadcast.body) <= TEXT_BYTES_MAX else None
        if text is None:
            return "unreadable"
        if len(self._heard) >= HEARD_MAX:
            return "queue_full"
        shown = StoredBroadcast(
            MessageId(broadcast.id),
            broadcast.source,
            text,
            broadcast.at_ms,
            broadcast.expires_ms,
            emergency=broadcast.traffic == TrafficClass.EMERGENCY,
            hops=broadcast.hops,
            ours=broadcast.source == self._me,
            stranger=self._is_stranger(broadcast.source),
        )
        self._heard.append(Entry(shown, frame))
        self._bell.set()
        return None

    async def _keep_heard(self) -> None:
        while self._heard:
            batch = list(islice(self._heard, BATCH_MAX))
            new = await self._store.write(partial(store, entries=batch, limits=self._limits))
            for _ in batch:
                self._heard.popleft()
            self._happened["received"] += len(new)
            for shown in new:
                self._emit("broadcast_received", shown.as_dict())

    def _is_stranger(self, source: NodeId) -> bool:
        return source != self._me and not self._standings.is_contact(source)


def _body_of(text: str) -> bytes:
    """Raises RefusedError."""
    try:
        body = text.encode()
    except UnicodeEncodeError:
        raise RefusedError("bad_text", "the text holds half a character; correct it") from None
    if not 0 < len(body) <= TEXT_BYTES_MAX:
        raise RefusedError(
            "bad_text", f"a broadcast has 1 to {TEXT_BYTES_MAX} bytes of text, this one {len(body)}"
        )
    if readable(body) is None:
        raise RefusedError("bad_text", "nobody could see anything of this text; write letters")
    return body
