"""The lanes of a link as paths for records: what fits, and which one to try first."""

from protocols.envelope import LOCAL_HEADER_BYTES, PAYLOAD_BYTES_MAX
from protocols.routing.limits import WIDTH_MAX
from protocols.stream import Path
from transports.api import LinkTraits

TAG_BYTES = 16
OVERHEAD_BYTES = LOCAL_HEADER_BYTES + TAG_BYTES  # of a record on a direct link
ANSWER_BYTES_MIN = 32  # the shortest acknowledgement takes 18, a second range 8
FRAMES_BYTES = 64  # room for an acknowledgement and a stream's header beside the data

FAR_SMALL_LANE, FAR_WIDE_LANE = -1, -2  # over others: what goes as datagrams, and what goes on ordered lanes
FAR_SMALL_BYTES = 1_000  # of plaintext: with seal and header it fits the datagrams of QUIC (1,200 bytes)


def _far_paths(width: int) -> tuple[Path, Path]:
    widest = min(PAYLOAD_BYTES_MAX, 1 << width) - TAG_BYTES
    small = Path(FAR_SMALL_LANE, reliable=False, bytes_max=min(FAR_SMALL_BYTES, widest))
    return small, Path(FAR_WIDE_LANE, reliable=False, bytes_max=widest)


# By the width of the way: for small records, and for as large ones as it takes. Neither promises to arrive.
FAR_PATHS = tuple(map(_far_paths, range(WIDTH_MAX + 1)))


def lanes_of(link: int) -> tuple[int, int]:
    """Tokens of its datagrams and of its reliable lane."""
    return 2 * link, 2 * link + 1


class LinkPaths:
    """Made anew when the traits change, which is rare; asked for every record."""

    __slots__ = (
        "_for_small",
        "_own",
        "_small_bytes_max",
        "answers",
        "control",
        "datagram_bytes_max",
        "in_order",
        "traits",
    )

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
        self._own = {path.lane: path._replace(only="control") for path in self._for_small}
        self.control = self._own[self.in_order[0].lane]
        first = self._for_small[0] if self.datagram_bytes_max > ANSWER_BYTES_MIN else self.in_order[0]
        self.answers = first._replace(only="answers")

    def own(self, lane: int) -> Path:
        """For what is meant for that lane alone; the link's control lane where it has no such lane (any more)."""
        return self._own.get(lane, self.control)

    def carrying(self, nbytes: int) -> tuple[Path, ...]:
        """Datagrams for small things, the reliable lane for big ones and for what a full window keeps back."""
        return self._for_small if nbytes <= self._small_bytes_max else self.in_order
