import hashlib
from collections.abc import Callable
from itertools import count

import pytest

from meshnode.services.peers.attempts import Attempts
from meshnode.services.peers.invites import Invites
from meshnode.services.peers.limits import (
    ATTEMPTS_WINDOW_NS,
    CLOCK_SKEW_S,
    INVITES_MAX,
    REDEMPTIONS_MAX,
    TALLIES_MAX,
    WRONG_SECRETS_ALL_MAX,
    WRONG_SECRETS_EACH_MAX,
)
from meshnode.services.peers.redemptions import Redemptions
from meshnode.services.peers.tables import Redemption, Tables
from protocols.errors import RefusedError
from protocols.ids import NodeId

BOB, CAROL = NodeId(b"b" * 32), NodeId(b"c" * 32)
NOW_S = 1_700_000_000
HOUR_S = 3_600


def counted_entropy() -> Callable[[int], bytes]:
    numbers = count()
    return lambda size: hashlib.sha256(str(next(numbers)).encode()).digest()[:size]


def redeem(invites: Invites, guest: NodeId, secret: bytes, *, now_s: int = NOW_S, now_ns: int = 0) -> bool:
    issued, fresh = invites.check(guest, secret, now_s=now_s, now_ns=now_ns)
    if fresh:
        invites.keep(issued)
    return fresh


def refused(invites: Invites, guest: NodeId, secret: bytes, *, now_s: int = NOW_S, now_ns: int = 0) -> str:
    with pytest.raises(RefusedError) as caught:
        redeem(invites, guest, secret, now_s=now_s, now_ns=now_ns)
    return caught.value.code


def test_the_secret_is_kept_nowhere() -> None:
    tables = Tables()
    issued, secret = Invites(tables, counted_entropy()).issue(expires_s=HOUR_S, uses=1, now_s=NOW_S)
    assert secret not in repr(tables.invites.values()).encode() + issued.secret_hash + issued.id


def test_one_guest_redeeming_twice_consumes_one_use() -> None:
    invites = Invites(Tables(), counted_entropy())
    _, secret = invites.issue(expires_s=HOUR_S, uses=2, now_s=NOW_S)
    assert [redeem(invites, BOB, secret), redeem(invites, BOB, secret)] == [True, False]
    assert invites.views(now_s=NOW_S)[0].uses_left == 1


def test_a_used_up_invite_is_refused_but_not_to_who_used_it() -> None:
    invites = Invites(Tables(), counted_entropy())
    _, secret = invites.issue(expires_s=HOUR_S, uses=1, now_s=NOW_S)
    redeem(invites, BOB, secret)
    assert refused(invites, CAROL, secret) == "invite_used_up"
    assert redeem(invites, BOB, secret) is False
    assert invites.views(now_s=NOW_S)[0].state == "used_up"


def test_an_expired_invite_is_refused_after_the_clocks_allowance() -> None:
    invites = Invites(Tables(), counted_entropy())
    _, secret = invites.issue(expires_s=HOUR_S, uses=2, now_s=NOW_S)
    assert redeem(invites, BOB, secret, now_s=NOW_S + HOUR_S + CLOCK_SKEW_S)
    assert refused(invites, CAROL, secret, now_s=NOW_S + HOUR_S + CLOCK_SKEW_S + 1) == "invite_expired"
    assert invites.views(now_s=NOW_S + HOUR_S + CLOCK_SKEW_S + 1)[0].state == "expired"


def test_a_guest_who_redeemed_in_time_is_not_told_of_expiry_later() -> None:
    invites = Invites(Tables(), counted_entropy())
    _, secret = invites.issue(expires_s=HOUR_S, uses=1, now_s=NOW_S)
    redeem(invites, BOB, secret)
    assert redeem(invites, BOB, secret, now_s=NOW_S + 10 * HOUR_S) is False


def test_a_withdrawn_invite_is_unknown() -> None:
    invites = Invites(Tables(), counted_entropy())
    _, secret = invites.issue(expires_s=HOUR_S, uses=1, now_s=NOW_S)
    assert invites.revoke(invites.views(now_s=NOW_S)[0].id.upper(), now_s=NOW_S).uses_left == 1
    assert refused(invites, BOB, secret) == "invite_unknown"
    with pytest.raises(RefusedError, match="open"):
        invites.revoke("nothing1", now_s=NOW_S)


def test_two_invites_never_share_an_id() -> None:
    rolls = iter([b"s" * 16, b"same1", b"t" * 16, b"same1", b"other"])
    invites = Invites(Tables(), lambda _: next(rolls))
    ids = [invites.issue(expires_s=1, uses=1, now_s=NOW_S)[0].id for _ in range(2)]
    assert ids == [b"same1", b"other"]


@pytest.mark.parametrize(("expires_s", "uses"), [(0, 1), (10**9, 1), (60, 0), (60, 1_001)])
def test_senseless_invites_are_refused(expires_s: int, uses: int) -> None:
    with pytest.raises(RefusedError):
        Invites(Tables(), counted_entropy()).issue(expires_s=expires_s, uses=uses, now_s=NOW_S)


def test_a_full_table_of_open_invites_refuses_the_next_and_drops_old_ones_first() -> None:
    tables = Tables()
    invites = Invites(tables, counted_entropy())
    for number in range(INVITES_MAX):
        invites.issue(expires_s=HOUR_S + number, uses=1, now_s=NOW_S)
    with pytest.raises(RefusedError, match="revoke one"):
        invites.issue(expires_s=HOUR_S, uses=1, now_s=NOW_S)
    oldest = next(iter(tables.invites))
    invites.issue(expires_s=HOUR_S, uses=1, now_s=NOW_S + 2 * HOUR_S)
    assert oldest not in tables.invites
    assert len(tables.invites) == INVITES_MAX


def test_a_guesser_is_slowed_down_and_an_honest_guest_is_not() -> None:
    invites = Invites(Tables(), counted_entropy())
    _, secret = invites.issue(expires_s=HOUR_S, uses=2, now_s=NOW_S)
    codes = [refused(invites, BOB, bytes(16)) for _ in range(WRONG_SECRETS_EACH_MAX + 1)]
    assert codes == ["invite_unknown"] * WRONG_SECRETS_EACH_MAX + ["slow_down"]
    assert refused(invites, BOB, secret) == "slow_down"
    assert redeem(invites, CAROL, secret)
    assert redeem(invites, BOB, secret, now_ns=ATTEMPTS_WINDOW_NS), "the tally starts anew after its window"


def test_a_crowd_of_guessers_is_slowed_down_together() -> None:
    attempts = Attempts(each_max=5, all_max=WRONG_SECRETS_ALL_MAX)
    for number in range(WRONG_SECRETS_ALL_MAX):
        attempts.count(NodeId(number.to_bytes(32, "big")), now_ns=0)
    with pytest.raises(RefusedError):
        attempts.check(BOB, now_ns=ATTEMPTS_WINDOW_NS - 1)
    attempts.check(BOB, now_ns=ATTEMPTS_WINDOW_NS)


def test_tallies_are_bounded() -> None:
    attempts = Attempts(each_max=5, all_max=5)
    for number in range(TALLIES_MAX + 10):
        attempts.count(NodeId(number.to_bytes(32, "big")), now_ns=0)
    assert len(attempts._peers) == TALLIES_MAX


def pending(node: NodeId, expires_at: int = NOW_S) -> Redemption:
    return Redemption(node, b"s" * 16, expires_at)


def add(redemptions: Redemptions, one: Redemption, *, now_s: int) -> None:
    redemptions.make_room(one.node, now_s=now_s)
    redemptions.put(one)


def test_a_pending_invite_shows_no_secret() -> None:
    assert "sss" not in repr(pending(BOB))


def test_after_its_expiry_an_issuer_is_not_looked_for_but_would_still_be_asked() -> None:
    redemptions = Redemptions(Tables())
    add(redemptions, pending(BOB), now_s=NOW_S)
    assert redemptions.worth_looking_for(now_s=NOW_S) == [BOB]
    assert redemptions.worth_looking_for(now_s=NOW_S + CLOCK_SKEW_S + 1) == []
    assert redemptions.get(BOB) is not None


@pytest.mark.parametrize(
    ("code", "now_s", "final"),
    [
        ("invite_unknown", NOW_S, True),
        ("invite_used_up", NOW_S, True),
        ("slow_down", NOW_S, False),
        ("internal", NOW_S, False),
        ("invite_expired", NOW_S, False),  # their clock is ahead of ours
        ("invite_expired", NOW_S + CLOCK_SKEW_S + 1, True),
    ],
)
def test_which_refusal_ends_a_redemption(code: str, now_s: int, final: bool) -> None:  # noqa: FBT001 - pytest gives it by name
    redemptions = Redemptions(Tables())
    add(redemptions, pending(BOB), now_s=NOW_S)
    assert redemptions.is_final(BOB, code, now_s=now_s) is final


def test_pending_invites_are_bounded_and_expired_ones_make_room() -> None:
    redemptions = Redemptions(Tables())
    for number in range(REDEMPTIONS_MAX):
        add(redemptions, pending(NodeId(number.to_bytes(32, "big")), NOW_S + number), now_s=NOW_S)
    with pytest.raises(RefusedError):
        add(redemptions, pending(BOB), now_s=NOW_S)
    add(redemptions, pending(NodeId(bytes(32)), NOW_S + 1), now_s=NOW_S)  # replaces its own
    add(redemptions, pending(BOB), now_s=NOW_S + CLOCK_SKEW_S + 2)
    assert redemptions.get(BOB) is not None
    assert redemptions.get(NodeId(bytes(32))) is None
