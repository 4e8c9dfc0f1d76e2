from dataclasses import replace

import pytest

from meshnode.services.peers import book as book_module
from meshnode.services.peers.book import ContactBook
from meshnode.services.peers.events import (
    AddressChangedHands,
    Event,
    NameConflict,
    PeerMetAtAddress,
    PeerRevoked,
    announce,
)
from meshnode.services.peers.limits import (
    AWAITED_ADDRESSES_MAX,
    DEVICES_MAX,
    GIVEN_ADDRESSES_MAX,
    STRANGERS_MAX,
)
from meshnode.services.peers.peer import Peer, Standing, Trust
from meshnode.services.peers.tables import Tables
from protocols.directory import NodeRecord, Revocation
from protocols.errors import RefusedError
from protocols.ids import NodeId, node_id_text, short_id

ME, BOB, CAROL, DORA = (NodeId(letter * 32) for letter in (b"m", b"b", b"c", b"d"))
HERE = "quic://192.0.2.7:7420"


def record(node: NodeId, *, sequence: int = 1, name: str = "", features: tuple[str, ...] = ()) -> NodeRecord:
    return NodeRecord(node, sequence, 0, b"x" * 32, (HERE, "not an address"), ("peers",), features, name)


def new_book(*peers: Peer) -> ContactBook:
    tables = Tables()
    for peer in peers:
        tables.peers.put(peer.node, peer)
    return ContactBook(ME, tables)


def learn(book: ContactBook, rec: NodeRecord, *, now_s: int = 1) -> list[Event]:
    return book.learn(rec, b"raw", now_s=now_s)


def meet(book: ContactBook, node: NodeId, *, dialled: str | None = None, now_s: int = 1) -> list[Event]:
    return book.seen(node, hybrid=False, dialled=dialled, now_s=now_s)


def at(book: ContactBook, node: NodeId) -> Peer:
    peer = book.get(node)
    assert peer is not None
    return peer


def code_of(error: pytest.ExceptionInfo[RefusedError]) -> str:
    return error.value.code


# -- what peers say and do ------------------------------------------------------------------------------------


def test_whoever_had_a_session_and_was_never_accepted_is_a_stranger() -> None:
    book = new_book()
    learn(book, record(BOB))
    meet(book, BOB)
    view = book.view(at(book, BOB), connected=True)
    assert (view.trust, view.state) == ("stranger", "connected")
    assert not book.is_contact(BOB)


def test_the_newer_record_wins_and_an_equal_one_changes_nothing() -> None:
    book = new_book()
    for sequence, name in ((5, "five"), (5, "other five"), (4, "four")):
        learn(book, record(BOB, sequence=sequence, name=name))
    assert at(book, BOB).self_name == "five"
    learn(book, record(BOB, sequence=6, name="six"))
    assert at(book, BOB).self_name == "six"


def test_what_is_no_address_in_a_record_is_left_out() -> None:
    book = new_book()
    learn(book, record(BOB))
    assert at(book, BOB).addresses == (HERE,)


def test_our_own_record_coming_back_is_ignored() -> None:
    book = new_book()
    assert learn(book, record(ME)) == meet(book, ME) == []
    assert book.peers() == []


def test_hybrid_is_assumed_until_a_record_denies_it_and_never_unlearnt() -> None:
    book = new_book()
    assert book.may_speak_hybrid(BOB)
    learn(book, record(BOB))
    assert not book.may_speak_hybrid(BOB)
    book.remember_hybrid(BOB)
    book.remember_hybrid(CAROL)
    learn(book, record(BOB, sequence=2))
    assert book.may_speak_hybrid(BOB)


def test_first_met_stays_and_last_seen_moves() -> None:
    book = new_book()
    meet(book, BOB, now_s=10)
    meet(book, BOB, now_s=20)
    book.left(BOB, now_s=30)
    book.left(CAROL, now_s=30)
    assert (at(book, BOB).met_at, at(book, BOB).seen_at) == (10, 30)


def test_the_stranger_seen_longest_ago_makes_room_unless_it_waits_in_the_request_box() -> None:
    book = new_book()
    strangers = [NodeId(number.to_bytes(32, "big")) for number in range(1, STRANGERS_MAX + 1)]
    for when, node in enumerate(strangers):
        meet(book, node, now_s=when)
    book.note_request(strangers[0])
    meet(book, BOB, now_s=10_000)
    assert book.get(strangers[0]) is not None
    assert book.get(strangers[1]) is None
    assert len(book.peers()) == STRANGERS_MAX


def test_where_all_strangers_wait_the_newest_is_not_kept() -> None:
    waiting = [
        Peer(NodeId(number.to_bytes(32, "big")), standing=Standing.REQUESTED)
        for number in range(1, STRANGERS_MAX + 1)
    ]
    book = new_book(*waiting)
    learn(book, record(BOB))
    meet(book, BOB)
    assert book.get(BOB) is None


def test_writing_to_a_stranger_or_accepting_its_request_makes_it_met() -> None:
    book = new_book()
    meet(book, BOB)
    book.note_request(BOB)
    assert book.view(at(book, BOB), connected=False).state == "requested"
    book.mark_contact(BOB)
    view = book.view(at(book, BOB), connected=False)
    assert (view.state, view.trust) == ("known", "met")
    book.note_request(BOB)
    assert at(book, BOB).standing is Standing.OPEN, "a contact has no request to make"


def test_a_declined_request_leaves_a_stranger_who_may_ask_again() -> None:
    book = new_book()
    meet(book, BOB)
    book.note_request(BOB)
    book.drop_request(BOB)
    book.drop_request(CAROL)
    assert at(book, BOB).standing is Standing.OPEN
    book.note_request(BOB)
    assert at(book, BOB).standing is Standing.REQUESTED


def test_the_owner_writing_to_itself_opens_no_page() -> None:
    book = new_book()
    book.mark_contact(ME)
    assert book.peers() == []


def test_contacts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "CONTACTS_MAX", 1)
    book = new_book(Peer(CAROL, Trust.MET))
    meet(book, BOB)
    with pytest.raises(RefusedError) as error:
        book.mark_contact(BOB)
    assert code_of(error) == "too_many_contacts"
    book.name(CAROL, "Carol")


# -- names ----------------------------------------------------------------------------------------------------


def test_a_name_pins() -> None:
    book = new_book()
    book.name(BOB, "Bob")
    assert at(book, BOB).trust is Trust.PINNED
    assert book.pinned_under("bOB") == [BOB]


def test_a_new_name_replaces_the_old() -> None:
    book = new_book()
    book.name(BOB, "Bob")
    book.name(BOB, "Robert")
    assert (book.pinned_under("Bob"), book.pinned_under("Robert")) == ([], [BOB])


def test_a_taken_name_is_refused_unless_it_is_the_same_persons_device() -> None:
    book = new_book()
    book.name(BOB, "Bob")
    with pytest.raises(RefusedError, match=short_id(BOB)) as error:
        book.name(CAROL, "BOB")
    assert code_of(error) == "name_taken"
    book.name(CAROL, "bob", another_device=True)
    assert book.pinned_under("Bob") == [BOB, CAROL]


def test_a_person_has_a_bounded_number_of_devices() -> None:
    nodes = [NodeId(number.to_bytes(32, "big")) for number in range(1, DEVICES_MAX + 1)]
    book = new_book(*(Peer(node, Trust.PINNED, petname="Bob") for node in nodes))
    with pytest.raises(RefusedError) as error:
        book.name(CAROL, "bob", another_device=True)
    assert code_of(error) == "too_many_devices"


def test_a_name_can_not_be_the_short_id_of_somebody_else() -> None:
    book = new_book(Peer(CAROL))
    with pytest.raises(RefusedError) as error:
        book.name(BOB, short_id(CAROL).upper())
    assert code_of(error) == "name_taken"
    book.name(CAROL, short_id(CAROL))


def test_a_self_given_name_that_is_pinned_to_another_is_flagged_and_told() -> None:
    book = new_book(Peer(BOB, Trust.PINNED, petname="Bob"))
    assert learn(book, record(CAROL, name=" b\u200bOB ")) == [NameConflict(CAROL, "bOB", (BOB,))]
    assert book.view(at(book, CAROL), connected=True).conflict
    assert not book.view(at(book, BOB), connected=True).conflict


def test_pinning_a_name_that_another_calls_itself_is_told_too() -> None:
    book = new_book(Peer(CAROL, self_name="Bob"))
    assert book.name(BOB, "Bob") == [NameConflict(CAROL, "Bob", (BOB,))]


def test_a_second_device_of_the_person_is_no_conflict() -> None:
    book = new_book(
        Peer(BOB, Trust.PINNED, petname="Bob"), Peer(CAROL, Trust.PINNED, petname="Bob", self_name="Bob")
    )
    assert not book.view(at(book, CAROL), connected=False).conflict


def test_a_guest_gets_its_own_name_or_the_next_free_one() -> None:
    book = new_book(Peer(BOB, self_name="Sam"), Peer(CAROL, self_name="sam"), Peer(DORA))
    for node in (BOB, CAROL, DORA):
        book.pin_guest(node)
    names = [at(book, node).petname for node in (BOB, CAROL, DORA)]
    assert names == ["Sam", "sam-2", short_id(DORA)]


def test_a_guest_that_has_a_petname_keeps_it() -> None:
    book = new_book(Peer(BOB, Trust.MET, petname="Bob", self_name="Robert"))
    book.pin_guest(BOB)
    assert (at(book, BOB).petname, at(book, BOB).trust) == ("Bob", Trust.PINNED)


def test_a_guest_can_not_take_the_short_id_of_another_for_its_name() -> None:
    book = new_book(Peer(BOB), Peer(CAROL, self_name=short_id(BOB)))
    book.pin_guest(CAROL)
    assert at(book, CAROL).petname == f"{short_id(BOB)}-2"


def test_after_a_hundred_namesakes_the_short_id_stands_in() -> None:
    taken = ["Sam", *(f"Sam-{number}" for number in range(2, 100))]
    peers = [
        Peer(NodeId(bytes([n]) * 32), Trust.PINNED, petname=name) for n, name in enumerate(taken, start=100)
    ]
    book = new_book(*peers)
    assert book.names.free(BOB, "Sam") == short_id(BOB)


# -- blocks, removal, revocation ------------------------------------------------------------------------------


def test_a_block_is_in_force_at_once_and_unblocking_brings_back_what_was() -> None:
    book = new_book(Peer(BOB, Trust.VERIFIED))
    book.block(BOB)
    assert book.is_blocked(BOB)
    assert not book.is_contact(BOB)
    assert book.view(at(book, BOB), connected=True).state == "blocked"
    book.unblock(BOB)
    assert book.is_contact(BOB)
    book.unblock(CAROL)


def test_somebody_unknown_can_be_blocked_and_is_a_stranger_afterwards() -> None:
    book = new_book()
    book.block(BOB)
    book.block(BOB)
    book.unblock(BOB)
    assert book.view(at(book, BOB), connected=False).trust == "stranger"


def test_a_blocked_peer_is_neither_added_nor_forgotten() -> None:
    book = new_book(Peer(BOB, standing=Standing.BLOCKED))
    for refused in (lambda: book.add(BOB, trust=Trust.MET), lambda: book.remove(BOB)):
        with pytest.raises(RefusedError) as error:
            refused()
        assert code_of(error) == "blocked"


def test_blocks_are_bounded_and_unblocking_needs_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "BLOCKED_MAX", 1)
    monkeypatch.setattr(book_module, "STRANGERS_MAX", 1)
    book = new_book(Peer(BOB, standing=Standing.BLOCKED), Peer(DORA, standing=Standing.REQUESTED))
    with pytest.raises(RefusedError) as error:
        book.block(CAROL)
    assert code_of(error) == "too_many_blocked"
    with pytest.raises(RefusedError) as error:
        book.unblock(BOB)
    assert code_of(error) == "too_many_strangers"


def test_we_neither_add_nor_name_nor_block_ourselves() -> None:
    book = new_book()
    for refused in (
        lambda: book.add(ME, trust=Trust.MET),
        lambda: book.name(ME, "Me"),
        lambda: book.block(ME),
    ):
        with pytest.raises(RefusedError) as error:
            refused()
        assert code_of(error) == "is_self"


def test_a_removed_peer_is_unknown_and_its_name_is_free() -> None:
    book = new_book(Peer(BOB, Trust.PINNED, petname="Bob"))
    book.remove(BOB)
    assert book.pinned_under("Bob") == []
    book.name(CAROL, "Bob")
    with pytest.raises(RefusedError) as error:
        book.remove(BOB)
    assert code_of(error) == "unknown_peer"


def test_a_revoked_identity_is_refused_for_ever_also_after_removal() -> None:
    book = new_book(Peer(BOB, Trust.PINNED, petname="Bob"))
    assert book.revoke(Revocation(BOB, 7), b"signed", by_owner=False) == [PeerRevoked(BOB, "Bob")]
    assert book.revoke(Revocation(BOB, 7), b"signed", by_owner=False) == []
    assert book.view(at(book, BOB), connected=True).revoked
    assert not book.is_contact(BOB)
    book.remove(BOB)
    assert book.is_blocked(BOB)
    for refused in (lambda: learn(book, record(BOB)), lambda: book.add(BOB, trust=Trust.MET)):
        with pytest.raises(RefusedError) as error:
            refused()
        assert code_of(error) == "revoked"
    assert meet(book, BOB) == []


def test_a_revocation_of_a_stranger_counts_only_from_the_owner() -> None:
    book = new_book(Peer(BOB))
    assert book.revoke(Revocation(BOB, 7), b"signed", by_owner=False) == []
    assert book.revoke(Revocation(CAROL, 7), b"signed", by_owner=True) == [PeerRevoked(CAROL, "")]
    assert book.revocations() == [b"signed"]


def test_revocations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "REVOCATIONS_MAX", 0)
    with pytest.raises(RefusedError) as error:
        new_book().revoke(Revocation(BOB, 7), b"signed", by_owner=True)
    assert code_of(error) == "too_many_revocations"


# -- addresses ------------------------------------------------------------------------------------------------


def test_whoever_first_answers_at_an_awaited_address_becomes_a_contact() -> None:
    book = new_book()
    book.await_address(HERE, "", now_s=1)
    learn(book, record(BOB, name="Bobby"))
    assert meet(book, BOB, dialled=HERE) == [PeerMetAtAddress(BOB, HERE, "Bobby")]
    assert at(book, BOB).trust is Trust.MET
    assert at(book, BOB).given == (HERE,)
    assert book.awaited() == []


def test_an_address_typed_with_a_name_pins_the_name() -> None:
    book = new_book()
    book.await_address(HERE, "Bob", now_s=1)
    meet(book, BOB, dialled=HERE)
    assert (at(book, BOB).petname, at(book, BOB).trust) == ("Bob", Trust.PINNED)


def test_another_identity_at_a_known_address_is_told_and_not_taken() -> None:
    book = new_book(Peer(BOB, Trust.MET, given=(HERE,)))
    assert meet(book, CAROL, dialled=HERE) == [AddressChangedHands(HERE, (BOB,), CAROL)]
    assert at(book, CAROL).trust is Trust.STRANGER
    assert meet(book, BOB, dialled=HERE) == []


def test_a_blocked_peer_at_an_awaited_address_is_not_taken() -> None:
    book = new_book(Peer(BOB, standing=Standing.BLOCKED))
    book.await_address(HERE, "", now_s=1)
    assert meet(book, BOB, dialled=HERE) == []
    assert [each.address for each in book.awaited()] == [HERE]


def test_awaited_addresses_are_bounded_and_can_be_forgotten() -> None:
    book = new_book()
    for number in range(AWAITED_ADDRESSES_MAX):
        book.await_address(f"memory://{number}", "", now_s=1)
    book.await_address("memory://0", "", now_s=2)
    with pytest.raises(RefusedError):
        book.await_address(HERE, "", now_s=1)
    assert book.forget_address("memory://0") == (True, [])
    assert book.forget_address("memory://0") == (False, [])


def test_given_addresses_are_bounded_and_the_newest_stay() -> None:
    book = new_book()
    for number in range(GIVEN_ADDRESSES_MAX + 3):
        book.add(BOB, trust=Trust.MET, addresses=(f"memory://{number}",))
    assert len(at(book, BOB).given) == GIVEN_ADDRESSES_MAX
    assert at(book, BOB).given[0] == f"memory://{GIVEN_ADDRESSES_MAX + 2}"


def test_the_key_of_an_invite_serves_until_the_record_brings_the_peers_own() -> None:
    book = new_book()
    book.add(BOB, trust=Trust.PINNED, x25519=b"i" * 32)
    assert at(book, BOB).x25519 == b"i" * 32
    learn(book, record(BOB))
    assert at(book, BOB).x25519 == b"x" * 32


def test_verifying_outranks_all_and_is_not_lost_by_a_new_name() -> None:
    book = new_book()
    book.verified(BOB)
    book.name(BOB, "Bob")
    assert book.view(replace(at(book, BOB)), connected=False).trust == "verified"


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (NameConflict(BOB, "Bob", (CAROL,)), "name_conflict"),
        (PeerMetAtAddress(BOB, HERE, "Bob"), "peer_met"),
        (AddressChangedHands(HERE, (CAROL,), BOB), "address_identity_changed"),
        (PeerRevoked(BOB, "Bob"), "peer_revoked"),
    ],
)
def test_an_event_is_announced_with_the_node_id(event: Event, name: str) -> None:
    told, fields = announce(event)
    assert (told, fields["node_id"]) == (name, node_id_text(BOB))
