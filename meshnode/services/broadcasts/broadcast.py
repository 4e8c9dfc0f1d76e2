"""A broadcast as the rest of the node sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshnode.times import rfc3339
from protocols.ids import MessageId, NodeId, message_id_text, node_id_text

NS_PER_MS = 1_000_000
TEXT = "text"
LINE_BREAKS = "\n\t"


@dataclass(frozen=True, slots=True)
class StoredBroadcast:
    broadcast_id: MessageId
    source: NodeId
    text: str = field(repr=False)  # without anything that steers a terminal
    at_ms: int  # by the source's clock; for display only
    expires_ms: int
    emergency: bool
    hops: int  # its scope; 0: everybody
    ours: bool
    stranger: bool  # the owner does not know the source

    def as_dict(self) -> Mapping[str, object]:
        """As the event stream tells it."""
        return {
            "broadcast_id": message_id_text(self.broadcast_id),
            "from": node_id_text(self.source),
            "text": self.text,
            "at": rfc3339(self.at_ms * NS_PER_MS),
            "expires_at": rfc3339(self.expires_ms * NS_PER_MS),
            "emergency": self.emergency,
            "hops": self.hops,
            "stranger": self.stranger,
        }


@dataclass(frozen=True, slots=True)
class Counts:
    kept: int  # on disk
    nbytes: int
    happened: Mapping[str, int]  # fixed word -> how often


def readable(body: bytes) -> str | None:
    """What a person may be shown of it: control and format characters, but for line breaks, are left out.

    None where it is no text, or nothing is left of it.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    shown = "".join(letter for letter in text if letter.isprintable() or letter in LINE_BREAKS)
    return shown if shown.strip() else None
