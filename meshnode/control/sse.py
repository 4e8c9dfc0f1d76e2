"""Server-sent events, read. Our server writes one `data` line for each event; more are joined as the format says.

Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import msgspec

from meshnode.control.shapes import Event
from protocols.errors import RemoteError

FRAME_BYTES_MAX = 4 << 20  # an event holds at most one message of 64 KiB, escaped


class EventReader:
    """Feed it chunks, cut anywhere; it gives the events that are whole. Sans-IO."""

    def __init__(self, last_id: str = "") -> None:
        self._buffer = bytearray()
        self.last_id = last_id  # of the last event that had one: where to resume

    def restart(self) -> None:
        """A new stream begins; half an event of the old one is void."""
        self._buffer.clear()

    def feed(self, chunk: bytes) -> list[Event]:
        """Raises RemoteError("bad_event") when what came is no event of ours."""
        self._buffer += chunk
        *frames, rest = bytes(self._buffer).split(b"\n\n")
        if len(rest) > FRAME_BYTES_MAX:
            raise RemoteError("bad_event", f"more than {FRAME_BYTES_MAX} bytes")
        self._buffer = bytearray(rest)
        return [event for frame in frames if (event := self._event(frame)) is not None]

    def _event(self, frame: bytes) -> Event | None:
        """None for a comment."""
        data = b"\n".join(line[6:] for line in frame.split(b"\n") if line.startswith(b"data: "))
        if not data:
            return None
        try:
            event = msgspec.json.decode(data, type=Event)
        except msgspec.DecodeError as error:
            raise RemoteError("bad_event", str(error)) from None
        self.last_id = event.id or self.last_id
        return event
