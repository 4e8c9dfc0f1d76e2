from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.courier import open_note, open_receipt, sign_note, sign_receipt
from protocols.courier.limits import NOTE_BYTES_MAX, RECEIPT_BYTES_MAX
from protocols.courier.notes import CUSTODY_LABEL, NOTE_LABEL
from protocols.directory.signed import sign_body
from protocols.errors import RemoteError

NOW_S = 1_800_000_000
ID = bytes(range(16))


def test_a_note_says_who_has_what(bob: Any) -> None:
    note = sign_note(bob.identity, ID, NOW_S)
    assert open_note(note.data) == note
    assert (note.receiver, note.id, note.expires_s) == (bob.id, ID, NOW_S)
    assert len(note.data) <= NOTE_BYTES_MAX


def test_a_receipt_says_who_took_what_from_whom(alice: Any, bob: Any) -> None:
    receipt = open_receipt(sign_receipt(bob.identity, ID, NOW_S, alice.id, NOW_S - 5))
    assert (receipt.courier, receipt.id, receipt.giver) == (bob.id, ID, alice.id)
    assert (receipt.expires_s, receipt.at_s) == (NOW_S, NOW_S - 5)
    assert len(receipt.data) <= RECEIPT_BYTES_MAX


def test_one_is_not_taken_for_the_other(alice: Any, bob: Any) -> None:
    with pytest.raises(RemoteError, match="bad_signature"):
        open_note(sign_receipt(bob.identity, ID, NOW_S, alice.id, NOW_S))
    with pytest.raises(RemoteError, match="bad_signature"):
        open_receipt(sign_note(bob.identity, ID, NOW_S).data)


@pytest.mark.parametrize("open_it", [open_note, open_receipt])
@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused(open_it: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(RemoteError):
        open_it(data)


@pytest.mark.parametrize("change", [{"id": bytes(15)}, {"id": "text"}, {"exp": -1}, {"exp": None}])
def test_fields_that_make_no_sense_are_refused_though_they_are_signed(
    bob: Any, change: dict[str, Any]
) -> None:
    body: dict[str, Any] = {"id": ID, "exp": NOW_S} | change
    with pytest.raises(RemoteError, match="bad_encoding"):
        open_note(sign_body(bob.identity, NOTE_LABEL, 1, body))


@pytest.mark.parametrize("change", [{"from": bytes(31)}, {"at": -1}, {"at": b""}])
def test_so_are_those_of_a_receipt(bob: Any, change: dict[str, Any]) -> None:
    body: dict[str, Any] = {"id": ID, "exp": NOW_S, "from": bytes(32), "at": NOW_S} | change
    with pytest.raises(RemoteError, match="bad_receipt"):
        open_receipt(sign_body(bob.identity, CUSTODY_LABEL, 1, body))
