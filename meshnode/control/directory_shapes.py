"""Requests and answers of the control API about the directory (docs/directory.md)."""

from typing import Annotated

from msgspec import Meta, field

from meshnode.control.shapes import Answer, PeerText, Request


class FindPeer(Request, frozen=True, kw_only=True):
    peer: PeerText


class FoundPeer(Answer, frozen=True, kw_only=True):
    node_id: str
    short: str
    name: str  # the owner's word for it, else what it calls itself
    found: bool
    addresses: list[str] = field(default_factory=list[str])  # relay://... names a neighbour that leads there
    signed_at: str | None = None
    expires_at: str | None = None
    replicas: int  # nodes that gave this record
    older: int  # nodes that gave an older one
    paths: int  # disjoint ones that the lookup took
    paths_found: int  # of these, on which this record was found
    asked: int
    failed: int  # of those that were asked
    steps: int  # to the farthest that was asked


class DirectoryStatus(Answer, frozen=True, kw_only=True):
    listed: bool  # strangers may find this node
    nodes: int  # in our table
    buckets: dict[str, int]  # number -> seats taken
    waiting: int  # nodes that wait for a seat
    records: int  # kept for others
    copies: int  # of these, for minutes only
    holdings: int  # statements of who holds what
    away: int  # contacts that are looked for
    lines: int  # connections that are open to ask strangers
    wards: int  # neighbours that we announce
    gateways: list[str]  # neighbours that announce us
    replicas: int  # of our own record, at the last publication
    published_at: str | None
    counts: dict[str, int]


class Published(Answer, frozen=True, kw_only=True):
    replicas: int


class AskHolders(Request, frozen=True, kw_only=True):
    key: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")]


class HolderInfo(Answer, frozen=True, kw_only=True):
    node_id: str
    short: str
    name: str
    expires_at: str
