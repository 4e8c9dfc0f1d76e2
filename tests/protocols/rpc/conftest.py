"""Two rpc sessions back to back over one lane that loses nothing; time is a number in the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols.rpc import MessagesReceived, RpcEvent, RpcLimits, RpcSession
from protocols.stream import Connection, Path, StreamLimits

LANE = Path(1, reliable=True, bytes_max=65_504)


class End:
    def __init__(self, *, initiator: bool, streams: StreamLimits | None, limits: RpcLimits | None) -> None:
        self.connection = Connection(initiator=initiator, now_ns=0, limits=streams)
        self.rpc = RpcSession(self.connection, limits=limits)
        self.events: list[RpcEvent] = []
        self.takes = True
        self.counter = 0

    def hear(self, record: bytes, counter: int, now_ns: int) -> None:
        for event in self.connection.receive(counter, record, reliable=True, now_ns=now_ns):
            for told in self.rpc.stream_event(event, now_ns=now_ns):
                self.events.append(told)
                if isinstance(told, MessagesReceived) and self.takes:
                    self.take(told)

    def take(self, told: MessagesReceived) -> None:
        self.rpc.took(told.call_id, messages=len(told.messages), nbytes=sum(map(len, told.messages)))

    def messages(self, call_id: int) -> list[bytes]:
        return [
            message
            for event in self.events
            if isinstance(event, MessagesReceived) and event.call_id == call_id
            for message in event.messages
        ]

    def pop(self) -> list[RpcEvent]:
        events, self.events = self.events, []
        return events


class Line:
    def __init__(
        self,
        *,
        streams: StreamLimits | None = None,
        limits: RpcLimits | None = None,
        bytes_max: int = LANE.bytes_max,
    ) -> None:
        self.now_ns = 0
        self.caller = End(initiator=True, streams=streams, limits=limits)
        self.callee = End(initiator=False, streams=streams, limits=limits)
        self._path = LANE._replace(bytes_max=bytes_max)

    def run(self) -> None:
        """Until neither has anything more to send."""
        busy = True
        while busy:
            busy = False
            for end, other in ((self.caller, self.callee), (self.callee, self.caller)):
                while end.connection.wants_to_send() is not None:
                    record = end.connection.next_record(self._path, end.counter, now_ns=self.now_ns)
                    for event in end.connection.take_events():
                        end.events += end.rpc.stream_event(event, now_ns=self.now_ns)
                    if record is None:
                        break
                    end.counter += 1
                    busy = True
                    other.hear(record, end.counter - 1, self.now_ns)


@pytest.fixture
def make_line() -> Callable[..., Line]:
    return Line
