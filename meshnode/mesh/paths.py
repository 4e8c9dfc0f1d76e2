"""The lanes of a link as paths for records: what fits, and which one to try first."""

from protocols.envelope import LOCAL_HEADER_BYTES, PAYLOAD_BYTES_MAX
from protocols.stream import Path
from transports.api import LinkTraits

TAG_BYTES = 16
OVERHEAD_BYTES = LOCAL_HEADER_BYTES + TAG_BYTES  # of a record on a direct link
FRAMES_BYTES = 64  # room for an acknowledgement and a stream's header beside the data


def lanes_of(link: int) -> tuple[int, int]:
    """Tokens of its datagrams and of its reliable lane."""
    return 2 * link, 2 * link + 1


class LinkPaths:
    """Made anew when the traits change, which is rare; asked for every record."""

    __slots__ = ("_for_small", "_small_bytes_max", "control", "datagram_bytes_max", "in_order", "traits")

    def __init__(self, link: int, traits: LinkTraits) -> None:
        self.traits = traits
        self.datagram_bytes_max = traits.datagram_bytes_max - OVERHEAD_BYTES  # of plaintext
        datagram_lane, reliable_lane = lanes_of(link)
        datagrams = Path(datagram_lane, reliable=False, bytes_max=self.datagram_bytes_max)
        ordered = Path(reliable_lane, reliable=True, bytes_max=PAYLOAD_BYTES_MAX - TAG_BYTES)
        self._small_bytes_max = self.datagram_bytes_max - FRAMES_BYTES
        self._for_small = (datagrams, ordered) if traits.has_reliable_lane else (datagrams,)
        self.in_order = (
            (ordered,) if traits.has_reliable_lane else (datagrams,)
        )  # behind what went there before
        self.control = self.in_order[0]._replace(control_only=True)

    def carrying(self, nbytes: int) -> tuple[Path, ...]:
        """Datagrams for small things, the reliable lane for big ones and for what a full window keeps back."""
        return self._for_small if nbytes <= self._small_bytes_max else self.in_order
