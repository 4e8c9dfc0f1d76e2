"""What the control API tells of how others reach this node."""

from typing import Literal

from meshnode.control.shapes import Answer


class ReachWay(Answer, frozen=True, kw_only=True):
    version: int  # of IP
    kind: Literal["unknown", "public", "mapped", "symmetric"]
    address: str | None  # where we are seen from far away; of a symmetric NAT only the host holds for others
    reason: str


class ReachMeeting(Answer, frozen=True, kw_only=True):
    """The last try to reach a peer directly that only others lead to."""

    node_id: str
    name: str
    state: Literal[
        "waiting", "under_way", "direct", "failed", "relayed"
    ]  # relayed: it can't be done as things are
    reason: str
    tries: int
    again_in_s: float | None  # null: under way, or not needed


class ReachInfo(Answer, frozen=True, kw_only=True):
    listening: list[str]  # addresses of our own interfaces
    ways: list[ReachWay]
    observers: int  # peers outside whose word is counted
    published: list[str]  # in our record, beside `listening`
    port_mapping: str  # what became of it, in words
    meetings: list[ReachMeeting]
