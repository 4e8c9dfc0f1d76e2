"""What waits to be delivered, and to whom something may be sent now: sans-IO.

One queue for each peer, in order, one batch in flight at a time:

    idle ──begin──► busy ──done────► idle
      ▲               └────failed──► resting ──(rest is over, or the peer comes back)──► idle

A message leaves its queue when the peer has it (settled), when it is given up, or when its time is over. The front of a
connected peer's queue is also held in memory (the window); the rest, and all of an absent peer's, is on disk alone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from meshnode.services.messages.frames import WireMessage
from meshnode.services.messages.limits import (
    BATCH_BYTES_MAX,
    BATCH_HALVINGS_MAX,
    BATCH_MESSAGES_MAX,
    WINDOW_BYTES_MAX,
    WINDOW_MESSAGES_MAX,
)
from meshnode.settings import QuotaSettings
from policies.backoff import backoff_range_ns
from protocols.errors import RefusedError
from protocols.ids import MessageId, NodeId, short_id


@dataclass(frozen=True, slots=True)
class Item:
    place: int  # in the store; later ones are higher
    message: WireMessage
    traffic: int  # a TrafficClass


@dataclass(slots=True)
class _Queue:
    count: int = 0  # in the window and on disk
    writing: int = 0  # of these, whose writers don't know yet that they are on disk
    window: list[Item] = field(default_factory=list[Item])  # by place
    window_bytes: int = 0
    loaded_to: int = 0  # place up to which the window holds what the disk holds
    more: bool = False  # the disk may hold more, beyond `loaded_to`
    again_from: int | None = None  # the disk holds some after this place that were overtaken: read from here
    stored_to: int = 0  # highest place stored while the disk is being read
    gone: dict[int, None] | None = None  # places that went while the disk is being read; None: it isn't
    receipts: bool = False  # some are owed to this peer
    busy: bool = False
    came_back: bool = False  # while busy: a failure now says nothing about the new session
    cautious: bool = False  # one at a time, to find the one that the peer can't read
    failures: int = 0
    due_ns: int = 0


class Outbox:
    """Bounded by `quotas.outbox` messages, and by the peers that receipts are owed to.

    When full, one more is refused: the owner hears of it at once, nothing that is kept is thrown away.
    """

    def __init__(self, die: Random, quotas: QuotaSettings) -> None:
        self._die, self._quotas = die, quotas
        self._queues: dict[NodeId, _Queue] = {}
        self._sent: dict[MessageId, None] = {}  # handed to a session; a part of the windows
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def furnish(self, waiting: Iterable[tuple[NodeId, int]], owed: Iterable[NodeId]) -> None:
        """What the disk holds at the start."""
        for peer, count in waiting:
            self._queues[peer] = _Queue(count=count, more=True)
            self._count += count
        for peer in owed:
            self._queue(peer).receipts = True

    def peers_waiting(self) -> list[NodeId]:
        """Those that messages wait for."""
        return [peer for peer, queue in self._queues.items() if queue.count]

    def waits_for(self, peer: NodeId) -> bool:
        queue = self._queues.get(peer)
        return queue is not None and queue.count > 0

    def peers(self) -> list[NodeId]:
        """Those that messages or receipts wait for."""
        return list(self._queues)

    def was_sent(self, message: MessageId) -> bool:
        """Handed to a session, not answered yet."""
        return message in self._sent

    # -- coming in --------------------------------------------------------------------------------------------

    def reserve(self, peer: NodeId) -> None:
        """Room for one more, before it is stored; `store` or `release` follows. Raises RefusedError."""
        queue = self._queues.get(peer)
        if queue is not None and queue.count >= self._quotas.outbox_per_peer:
            raise RefusedError(
                "outbox_full",
                f"{queue.count} messages already wait for {short_id(peer)}; send more once it was here, "
                "or raise the setting quotas.outbox_per_peer",
            )
        if self._count >= self._quotas.outbox:
            raise RefusedError(
                "outbox_full",
                f"{self._count} messages already wait; send more once some are delivered, "
                "or raise the setting quotas.outbox",
            )
        queue = self._queue(peer)
        queue.count += 1
        queue.writing += 1
        self._count += 1

    def release(self, peer: NodeId) -> None:
        """It was not stored after all."""
        self._queue(peer).writing -= 1
        self._drop(peer, 1)

    def stored(self, peer: NodeId, item: Item, *, keep: bool) -> None:
        """It is on disk. `keep`: hold it in memory as well, the peer is connected."""
        queue = self._queue(peer)
        queue.writing -= 1
        queue.stored_to = max(queue.stored_to, item.place)
        if item.place <= queue.loaded_to:  # overtaken by a later one, or read meanwhile
            lowest = item.place - 1
            queue.again_from = lowest if queue.again_from is None else min(queue.again_from, lowest)
            queue.more = True
        elif queue.more:
            pass  # it will be read in its turn
        elif keep and len(queue.window) < WINDOW_MESSAGES_MAX and queue.window_bytes < WINDOW_BYTES_MAX:
            self._hold(queue, item)
        else:
            queue.more = True
        self._tidy(peer, queue)

    def owe_receipts(self, peer: NodeId) -> None:
        self._queue(peer).receipts = True

    def take_receipts(self, peer: NodeId) -> bool:
        """Whether some may be owed. Asked before the disk is read, so that one which comes meanwhile isn't missed."""
        queue = self._queue(peer)
        owed, queue.receipts = queue.receipts, False
        return owed

    # -- whose turn -------------------------------------------------------------------------------------------

    def begin(self, peer: NodeId, *, now_ns: int) -> bool:
        """True: this peer is busy from now on, until `done` or `failed`. It must be connected."""
        queue = self._queues.get(peer)
        if queue is None or queue.busy or queue.due_ns > now_ns or not self._has_work(queue):
            return False
        queue.busy, queue.came_back = True, False
        return True

    def done(self, peer: NodeId) -> None:
        queue = self._queue(peer)
        queue.busy, queue.failures, queue.due_ns = False, 0, 0
        self._tidy(peer, queue)

    def failed(self, peer: NodeId, *, now_ns: int, connected: bool) -> None:
        queue = self._queue(peer)
        queue.busy = False
        if queue.came_back:
            queue.failures = 0
        else:
            queue.due_ns = now_ns + self._die.randint(*backoff_range_ns(queue.failures))
            queue.failures += 1
        if not connected:
            self._empty_window(queue)

    def up(self, peer: NodeId) -> None:
        """It came (back): whatever failed before may work now."""
        queue = self._queues.get(peer)
        if queue is not None:
            queue.came_back, queue.failures, queue.due_ns = True, 0, 0

    def down(self, peer: NodeId) -> None:
        queue = self._queues.get(peer)
        if queue is not None and not queue.busy:  # a busy one is about to fail
            self._empty_window(queue)

    def next_due(self, peer: NodeId) -> int | None:
        """When this (connected) peer's turn comes; None: not by time."""
        queue = self._queues.get(peer)
        return None if queue is None or queue.busy or not self._has_work(queue) else queue.due_ns

    # -- sending ----------------------------------------------------------------------------------------------

    def reading_from(self, peer: NodeId) -> int | None:
        """The place after which to read from the disk, so that the next batch is full; None: there is no need.

        `read` must follow.
        """
        queue = self._queue(peer)
        if not queue.more or (len(queue.window) >= BATCH_MESSAGES_MAX and queue.again_from is None):
            return None
        after = queue.loaded_to if queue.again_from is None else queue.again_from
        queue.stored_to, queue.gone, queue.again_from = 0, {}, None
        return after

    def read(self, peer: NodeId, items: Sequence[Item], *, whole: bool) -> None:
        """What the disk holds after `reading_from`, in order; `whole`: all of it."""
        queue = self._queue(peer)
        known = {item.place for item in queue.window} | (queue.gone or {}).keys()
        queue.gone = None
        for item in items:
            if item.place not in known:
                self._hold(queue, item)
        if not whole and items[-1].place < queue.loaded_to and queue.again_from is None:
            queue.again_from = items[-1].place
        queue.more = not whole or queue.stored_to > queue.loaded_to or queue.again_from is not None

    def next_batch(self, peer: NodeId) -> list[Item]:
        """The front of the queue, all of one traffic class; smaller after failures, the link may be slow."""
        queue = self._queue(peer)
        halvings = min(queue.failures, BATCH_HALVINGS_MAX)
        batch: list[Item] = []
        size = 0
        for item in queue.window[: 1 if queue.cautious else BATCH_MESSAGES_MAX >> halvings]:
            size += len(item.message.body)
            if batch and (size > BATCH_BYTES_MAX >> halvings or item.traffic != batch[0].traffic):
                break
            batch.append(item)
        return batch

    def sent(self, batch: Iterable[Item]) -> list[Item]:
        """They are being handed to a session. Gives those for which this is the first time."""
        fresh = [item for item in batch if item.message.id not in self._sent]
        self._sent.update(dict.fromkeys(item.message.id for item in fresh))
        return fresh

    def settled(self, peer: NodeId, places: Iterable[int]) -> None:
        """Delivered or given up: whatever it was is on disk."""
        queue = self._queue(peer)
        gone = sum(self._let_go(queue, place) for place in places)
        queue.cautious = queue.cautious and not gone
        self._drop(peer, gone)

    def went(self, peer: NodeId, place: int) -> None:
        """It waits no longer, by something else than our sending: too late, or read before we knew it delivered."""
        queue = self._queue(peer)
        if queue.gone is not None:
            queue.gone[place] = None
        self._let_go(queue, place)
        self._drop(peer, 1)

    def not_understood(self, peer: NodeId, batch: Sequence[Item]) -> Item | None:
        """The peer can't read this batch. Gives the one to give up, if it is known; else they go one by one."""
        self._queue(peer).cautious = True
        return batch[0] if len(batch) == 1 else None

    # -- inside -----------------------------------------------------------------------------------------------

    def _queue(self, peer: NodeId) -> _Queue:
        return self._queues.setdefault(peer, _Queue())

    @staticmethod
    def _has_work(queue: _Queue) -> bool:
        return bool(queue.window) or queue.more or queue.receipts

    @staticmethod
    def _hold(queue: _Queue, item: Item) -> None:
        queue.window.append(item)
        if len(queue.window) > 1 and queue.window[-2].place > item.place:
            queue.window.sort(key=lambda one: one.place)
        queue.window_bytes += len(item.message.body)
        queue.loaded_to = max(queue.loaded_to, item.place)

    def _let_go(self, queue: _Queue, place: int) -> bool:
        at = bisect_left(queue.window, place, key=lambda item: item.place)
        if at == len(queue.window) or queue.window[at].place != place:
            return False
        item = queue.window.pop(at)
        queue.window_bytes -= len(item.message.body)
        self._sent.pop(item.message.id, None)
        return True

    def _empty_window(self, queue: _Queue) -> None:
        if not queue.window:
            return
        for item in queue.window:
            self._sent.pop(item.message.id, None)
        queue.window.clear()
        queue.window_bytes, queue.loaded_to, queue.more, queue.again_from = 0, 0, True, None

    def _drop(self, peer: NodeId, count: int) -> None:
        queue = self._queue(peer)
        queue.count -= count
        self._count -= count
        self._tidy(peer, queue)

    def _tidy(self, peer: NodeId, queue: _Queue) -> None:
        if not (queue.count or queue.writing or queue.busy or queue.receipts):
            self._queues.pop(peer, None)
