"""What simulated nodes sign and agree with."""

import pytest

from protocols.directory import open_record, sign_record
from protocols.errors import RemoteError
from protocols.keys import REAL, Identity, Suite, verify
from sim.builder import settle
from sim.crypto import SECRETS_MAX, SIGNATURES_MAX, HashSuite, SharedSuite
from sim.disk import Disks
from sim.runner import run_scenario
from sim.scenario import Scenario, load_scenario, parse_scenario
from sim.timeline import Timeline

LABEL = b"meshnode/test/1"
ALICE, BOB = bytes(32), bytes(range(32))


@pytest.fixture(params=[SharedSuite, HashSuite])
def suite(request: pytest.FixtureRequest) -> Suite:
    return request.param()


def test_what_is_signed_is_believed_and_nothing_else(suite: Suite) -> None:
    alice, bob = Identity(ALICE, suite), Identity(BOB, suite)
    signature = alice.sign(LABEL, b"data")
    assert len(signature) == 64
    assert verify(alice.node_id, LABEL, b"data", signature, suite)
    assert verify(alice.node_id, LABEL, b"data", signature, suite), "and again"
    assert not verify(alice.node_id, LABEL, b"other data", signature, suite)
    assert not verify(bob.node_id, LABEL, b"data", signature, suite)
    assert not verify(alice.node_id, LABEL, b"data", bytes(64), suite)
    assert not verify(alice.node_id, LABEL, b"data", b"", suite)


def test_both_ends_find_the_same_secret_and_others_another(suite: Suite) -> None:
    alice, bob, carol = (suite.agreement_key(bytes([n]) * 32) for n in (1, 2, 3))
    assert alice.agree(bob.public) == bob.agree(alice.public)
    assert alice.agree(bob.public) != alice.agree(carol.public)
    assert len({alice.public, bob.public, carol.public}) == 3


def test_a_record_is_read_by_nodes_of_the_same_suite(suite: Suite) -> None:
    alice = Identity(ALICE, suite)
    signed = sign_record(
        alice, sequence=1, expires_at=1, addresses=(), services=(), features=(), name="alice"
    )
    assert open_record(signed, suite).node == alice.node_id
    with pytest.raises(RemoteError):
        open_record(signed, HashSuite())


def test_the_shared_suite_gives_the_bytes_of_the_real_one() -> None:
    suite = SharedSuite()
    shared, real = Identity(ALICE, suite), Identity(ALICE)
    assert (shared.node_id, shared.x25519_public) == (real.node_id, real.x25519_public)
    assert shared.sign(LABEL, b"data") == real.sign(LABEL, b"data")
    other = Identity(BOB)
    assert shared.x25519_key.agree(other.x25519_public) == other.x25519_key.agree(real.x25519_public)
    assert verify(real.node_id, LABEL, b"more", real.sign(LABEL, b"more"), suite), "signed elsewhere"


def test_what_the_shared_suite_forgot_is_worked_out_again() -> None:
    suite = SharedSuite()
    alice = Identity(ALICE, suite)
    first = alice.sign(LABEL, b"first")
    for number in range(SIGNATURES_MAX):
        suite.remember(alice.node_id, b"", number.to_bytes(64, "big"))
    assert len(suite._right) == SIGNATURES_MAX
    assert first not in suite._right
    assert verify(alice.node_id, LABEL, b"first", first, suite)


def test_secrets_that_nobody_asks_for_do_not_pile_up() -> None:
    suite = SharedSuite()
    one, other = suite.agreement_key(ALICE), suite.agreement_key(BOB)
    suite._secrets |= {number.to_bytes(64, "big"): b"" for number in range(SECRETS_MAX)}
    secret = one.agree(other.public)
    assert len(suite._secrets) == SECRETS_MAX
    assert other.agree(one.public) == secret == REAL.agreement_key(ALICE).agree(other.public)


def test_a_key_that_makes_no_secret_is_refused_as_ever() -> None:
    with pytest.raises(RemoteError):
        SharedSuite().agreement_key(ALICE).agree(bytes(32))


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        ({"nodes": "1000"}, SharedSuite),
        ({"nodes": "1001"}, HashSuite),
        ({"nodes": "3", "crypto": "hash"}, HashSuite),
        ({"nodes": "2000", "crypto": "real"}, SharedSuite),
    ],
)
def test_crypto_is_real_up_to_a_thousand_nodes_unless_the_scenario_says(
    overlay: dict[str, str], expected: type
) -> None:
    scenario = parse_scenario('about = "x"\nlane = "a"', "x.toml", overlay)
    assert isinstance(settle(scenario, 1, Timeline(), Disks()).village.suite, expected)


@pytest.fixture
def small() -> Scenario:
    return load_scenario(
        "determinism", {"nodes": "6", "warm_s": "3", "storm_s": "6", "calm_s": "12", "crypto": "hash"}
    )


def test_whole_daemons_live_on_hashes_and_two_runs_are_one(small: Scenario) -> None:
    first, second = (run_scenario("determinism", small, 5) for _ in range(2))
    assert not first.failed
    assert first.digest == second.digest
    assert first.metrics["delivery"] == 1.0
