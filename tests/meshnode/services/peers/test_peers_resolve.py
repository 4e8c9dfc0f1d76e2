import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshnode.services.peers import PeerTextError
from meshnode.services.peers.book import ContactBook
from meshnode.services.peers.peer import Peer, Trust
from meshnode.services.peers.resolve import CANDIDATES_MAX, resolve
from meshnode.services.peers.tables import Tables
from protocols.directory import Invite, Revocation, format_invite
from protocols.errors import RefusedError
from protocols.ids import NodeId, node_id_text, short_id

ME, BOB, CAROL = (NodeId(letter * 32) for letter in (b"m", b"b", b"c"))
BOBS_TWIN = NodeId(BOB[:5] + b"t" * 27)  # the same short id


def book_of(*peers: Peer) -> ContactBook:
    tables = Tables()
    for peer in peers:
        tables.peers.put(peer.node, peer)
    return ContactBook(ME, tables)


def refusal(book: ContactBook, text: str) -> PeerTextError:
    with pytest.raises(PeerTextError) as caught:
        resolve(book, text)
    return caught.value


def test_a_pinned_name_resolves_in_any_case() -> None:
    assert resolve(book_of(Peer(BOB, Trust.PINNED, petname="Bob")), " bOB ") == BOB


def test_a_pinned_name_comes_before_a_short_id_that_turns_up_later() -> None:
    book = book_of(Peer(CAROL, Trust.PINNED, petname=short_id(BOB)), Peer(BOB))
    assert resolve(book, short_id(BOB)) == CAROL


def test_a_node_id_resolves_though_nobody_knows_it_in_either_case() -> None:
    assert resolve(book_of(), node_id_text(BOB).upper()) == BOB


def test_a_mistyped_node_id_is_refused_as_one() -> None:
    text = node_id_text(BOB)
    with pytest.raises(RefusedError) as caught:
        resolve(book_of(), text[:-1] + ("a" if text[-1] != "a" else "b"))
    assert caught.value.code == "bad_node_id"


def test_a_short_id_resolves_among_the_known_only() -> None:
    assert resolve(book_of(Peer(BOB)), short_id(BOB).upper()) == BOB
    assert refusal(book_of(), short_id(BOB)).code == "unknown_peer"


def test_an_invite_names_its_issuer() -> None:
    invite = Invite(BOB, b"x" * 32, b"s" * 16, 1, 1, (), "Bob")
    assert resolve(book_of(), format_invite(invite)) == BOB


def test_a_person_with_several_devices_is_ambiguous_and_the_devices_are_listed() -> None:
    devices = (
        Peer(BOB, Trust.PINNED, petname="Bob", self_name="laptop"),
        Peer(CAROL, Trust.PINNED, petname="Bob"),
    )
    error = refusal(book_of(*devices), "bob")
    assert error.code == "ambiguous"
    assert error.candidates == [
        (node_id_text(BOB), "'Bob', calls itself 'laptop'"),
        (node_id_text(CAROL), "'Bob', gives no name"),
    ]
    assert short_id(BOB) in str(error)


def test_a_revoked_device_gives_way_to_the_one_that_is_left() -> None:
    book = book_of(Peer(BOB, Trust.PINNED, petname="Bob"), Peer(CAROL, Trust.PINNED, petname="Bob"))
    book.revoke(Revocation(BOB, 1), b"signed", by_owner=True)
    assert resolve(book, "bob") == CAROL
    book.revoke(Revocation(CAROL, 1), b"signed", by_owner=True)
    assert refusal(book, "bob").code == "ambiguous"


def test_two_known_nodes_with_one_short_id_are_ambiguous() -> None:
    error = refusal(book_of(Peer(BOB), Peer(BOBS_TWIN)), short_id(BOB))
    assert error.code == "ambiguous"
    assert [text for text, _ in error.candidates] == [node_id_text(BOB), node_id_text(BOBS_TWIN)]


def test_a_self_given_name_never_resolves_but_the_refusal_says_how_to_pin_it() -> None:
    error = refusal(book_of(Peer(BOB, Trust.VERIFIED, self_name="Bob")), "bob")
    assert error.code == "unknown_peer"
    assert f"meshctl peers name {short_id(BOB)}" in str(error)
    assert error.candidates == [(node_id_text(BOB), "calls itself 'Bob'")]


def test_candidates_are_bounded_and_the_rest_is_counted() -> None:
    crowd = [Peer(NodeId(bytes([n]) * 32), self_name="Bob") for n in range(CANDIDATES_MAX + 3)]
    error = refusal(book_of(*crowd), "bob")
    assert len(error.candidates) == CANDIDATES_MAX
    assert "and 3 more" in str(error)


def test_text_without_end_is_refused() -> None:
    assert refusal(book_of(), "x" * 5_000).code == "unknown_peer"


@given(st.text(max_size=80))
def test_any_text_is_a_node_or_a_refusal(text: str) -> None:
    book = book_of(Peer(BOB, Trust.PINNED, petname="Bob"), Peer(CAROL, self_name=text[:64]))
    try:
        node = resolve(book, text)
    except RefusedError:
        return
    assert node == BOB
