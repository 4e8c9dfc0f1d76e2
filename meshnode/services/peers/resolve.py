"""PEER, as a person types it: a name, a short id, a NodeId or an invite.

In this order: an invite link names its issuer; a petname (only what the owner pinned); a NodeId, known or not; a
short id among the known. A self-given name never resolves: the refusal says who calls itself so, and how to pin.
"""

from meshnode.services.peers.book import ContactBook
from meshnode.services.peers.peer import Peer
from protocols.directory import INVITE_SCHEME, parse_invite
from protocols.errors import RefusedError
from protocols.ids import NODE_ID_CHARS, NodeId, node_id_text, parse_node_id, short_id

CANDIDATES_MAX = 16  # a person picks from a screenful
PEER_TEXT_CHARS_MAX = 4_096  # the longest is an invite with all its addresses


class PeerTextError(RefusedError):
    """Nobody, or not exactly one. `candidates` are (NodeId in text, what to know of it), at most CANDIDATES_MAX."""

    def __init__(self, code: str, sentence: str, candidates: list[tuple[str, str]]) -> None:
        super().__init__(code, sentence)
        self.candidates = candidates


def resolve(book: ContactBook, text: str) -> NodeId:
    """Raises PeerTextError ("ambiguous", "unknown_peer"), or RefusedError for a mistyped NodeId or invite."""
    text = text.strip()
    if len(text) > PEER_TEXT_CHARS_MAX:
        raise PeerTextError("unknown_peer", "this is too long to be a name, an id or an invite", [])
    if text.lower().startswith(INVITE_SCHEME):
        return parse_invite(text).node
    if pinned := book.pinned_under(text):
        return _only(book, text, pinned, "has several devices; say which by its id")
    if len(text) == NODE_ID_CHARS and text.isalnum():
        return parse_node_id(text)
    if known := book.names.with_short_id(text.lower()):
        return _only(book, text, known, "begins several node ids; give the whole one")
    raise _unknown(book, text)


def _only(book: ContactBook, text: str, nodes: list[NodeId], why: str) -> NodeId:
    if len(nodes) == 1:
        return nodes[0]
    peers = [peer for node in nodes if (peer := book.get(node))]
    raise PeerTextError("ambiguous", f"{text!r} {why}: {_listed(peers)}", _candidates(peers))


def _unknown(book: ContactBook, text: str) -> PeerTextError:
    alike = book.names.calling_themselves(text)
    if not alike:
        return PeerTextError(
            "unknown_peer",
            f"nobody is known as {text!r}; 'meshctl peers' lists who is, 'meshctl peers add' takes an invite",
            [],
        )
    return PeerTextError(
        "unknown_peer",
        f"nobody is pinned as {text!r}, though some call themselves so, as anybody can: {_listed(alike)}; "
        f"if one of them is meant: 'meshctl peers name {short_id(alike[0].node)} NAME'",
        _candidates(alike),
    )


def _candidates(peers: list[Peer]) -> list[tuple[str, str]]:
    return [(node_id_text(peer.node), _label(peer)) for peer in peers[:CANDIDATES_MAX]]


def _listed(peers: list[Peer]) -> str:
    shown = ", ".join(f"{short_id(peer.node)} ({_label(peer)})" for peer in peers[:CANDIDATES_MAX])
    more = len(peers) - CANDIDATES_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _label(peer: Peer) -> str:
    calls_itself = f"calls itself {peer.self_name!r}" if peer.self_name else "gives no name"
    return f"{peer.petname!r}, {calls_itself}" if peer.petname else calls_itself
