"""Sending for the control API: whom a caller means, one commit for all that it asks, and the wait for what follows."""

from collections.abc import Callable, Sequence

from meshnode.control.shapes import MessageState, Outgoing, Sent, Traffic, WaitFor
from meshnode.services.messages import Letter, MessagesService, StoredMessage
from meshnode.world import Clock
from protocols.envelope import TrafficClass
from protocols.errors import RefusedError
from protocols.ids import MessageId, NodeId, message_id_text, node_id_text

NS_PER_S = 1_000_000_000
TRAFFIC: dict[Traffic, TrafficClass] = {
    "interactive": TrafficClass.INTERACTIVE,
    "bulk": TrafficClass.BULK,
    "background": TrafficClass.BACKGROUND,
    "emergency": TrafficClass.EMERGENCY,
}


async def send_all(
    messages: MessagesService,
    clock: Clock,
    resolve: Callable[[str], NodeId],
    asked: Sequence[Outgoing],
    *,
    wait: WaitFor | None,
    timeout_s: float,
) -> list[Sent | RefusedError]:
    """What became of each, in order. Raises StoreError: then none is stored."""
    ends_ns = clock.now_ns() + int(timeout_s * NS_PER_S)
    found = {text: _found(resolve, text) for text in dict.fromkeys(each.to for each in asked)}
    letters = [
        Letter(to, each.text, each.expires_s, TRAFFIC[each.traffic])
        for each in asked
        if not isinstance(to := found[each.to], RefusedError)
    ]
    stored = await messages.send_many(letters)
    kept = [one for one in stored if not isinstance(one, RefusedError)]
    states = {} if wait is None else await _states(messages, clock, kept, wait, ends_ns)
    told = iter(one if isinstance(one, RefusedError) else _sent(one, states) for one in stored)
    return [to if isinstance(to := found[each.to], RefusedError) else next(told) for each in asked]


def _found(resolve: Callable[[str], NodeId], text: str) -> NodeId | RefusedError:
    try:
        return resolve(text)
    except RefusedError as error:
        return error


async def _states(
    messages: MessagesService, clock: Clock, stored: Sequence[StoredMessage], wait: WaitFor, ends_ns: int
) -> dict[MessageId, MessageState]:
    """Once they have come so far, or the time is out."""
    states: dict[MessageId, MessageState] = {}
    for one in reversed(stored):  # when the last has arrived, so have most before it
        left_s = max(0, ends_ns - clock.now_ns()) / NS_PER_S
        states[one.message_id] = await messages.wait(one.message_id, wait, timeout_s=left_s)
    return states


def _sent(message: StoredMessage, states: dict[MessageId, MessageState]) -> Sent:
    return Sent(
        message_id=message_id_text(message.message_id),
        state=states.get(message.message_id, message.state),
        to=node_id_text(message.recipient),
        trace=message.trace,
    )
