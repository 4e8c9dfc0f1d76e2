"""What the control API tells of couriers: sealed messages of ours under way, and those that this node carries."""

from typing import Literal

from msgspec import field

from meshnode.control.shapes import Answer


class Prekey(Answer, frozen=True, kw_only=True):
    """The key that others seal to while this node is away."""

    id: str  # hex
    made_at: str
    expires_at: str  # until then others may seal to it; what was sealed is still opened two weeks later
    kept: int  # keys in all: the older ones open what is under way
    hybrid: bool  # with ML-KEM-768


class UnderWay(Answer, frozen=True, kw_only=True):
    """A sealed object of ours."""

    to: str
    to_name: str
    messages: int  # in it
    couriers: int  # who took it from us
    expires_at: str


class CourierStatus(Answer, frozen=True, kw_only=True):
    carry: Literal["everyone", "contacts", "nobody"]  # for whom this node carries
    carried: int  # sealed objects of others
    carried_bytes: int
    quota_bytes: int
    own: int  # sealed objects of ours under way
    under_way: list[UnderWay]  # the first 100 of them
    people: int  # whose prekeys we have
    notes: int  # "it has arrived", told to whoever still carries
    prekey: Prekey | None  # None: the clock of this machine is not set
    counts: dict[str, int] = field(default_factory=dict[str, int])  # fixed word -> how often
