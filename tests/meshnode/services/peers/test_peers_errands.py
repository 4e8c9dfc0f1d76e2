from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meshnode.services.peers.errands import Errand, Errands
from meshnode.services.peers.limits import ERRAND_REST_NS, ERRAND_REST_NS_MAX, ERRANDS_AT_ONCE_MAX
from protocols.ids import NodeId

BOB = NodeId(b"b" * 32)
PEERS = [NodeId(bytes([n]) * 32) for n in range(1, 25)]


def test_an_errand_runs_once_and_is_over() -> None:
    errands = Errands()
    errands.add(BOB, Errand.RECORD, now_ns=5)
    assert errands.take(now_ns=5) == [(BOB, Errand.RECORD)]
    assert errands.take(now_ns=5) == []
    errands.done(BOB, Errand.RECORD, now_ns=6)
    assert errands.next_timeout() is None


def test_an_errand_that_comes_up_again_while_it_runs_runs_again() -> None:
    errands = Errands()
    errands.add(BOB, Errand.RECORD, now_ns=0)
    errands.take(now_ns=0)
    errands.add(BOB, Errand.RECORD, now_ns=1)
    errands.done(BOB, Errand.RECORD, now_ns=2)
    assert errands.take(now_ns=2) == [(BOB, Errand.RECORD)]


def test_a_failed_errand_rests_twice_as_long_each_time_up_to_a_ceiling() -> None:
    errands = Errands()
    errands.add(BOB, Errand.REDEEM, now_ns=0)
    rests: list[int] = []
    now_ns = 0
    for _ in range(50):
        errands.take(now_ns=now_ns)
        errands.failed(BOB, Errand.REDEEM, now_ns=now_ns)
        due_ns = errands.next_timeout()
        assert due_ns is not None
        rests.append(due_ns - now_ns)
        now_ns = due_ns
    assert rests[:3] == [ERRAND_REST_NS, 2 * ERRAND_REST_NS, 4 * ERRAND_REST_NS]
    assert rests[-1] == ERRAND_REST_NS_MAX


def test_asking_again_for_a_resting_errand_hurries_it() -> None:
    errands = Errands()
    errands.add(BOB, Errand.REDEEM, now_ns=0)
    errands.take(now_ns=0)
    errands.failed(BOB, Errand.REDEEM, now_ns=0)
    errands.add(BOB, Errand.REDEEM, now_ns=1)
    assert errands.next_timeout() == 1


def test_a_peer_that_went_is_owed_nothing_and_its_late_answer_changes_nothing() -> None:
    errands = Errands()
    errands.add(BOB, Errand.REDEEM, now_ns=0)
    errands.take(now_ns=0)
    errands.peer_gone(BOB)
    errands.failed(BOB, Errand.REDEEM, now_ns=1)
    errands.done(BOB, Errand.REDEEM, now_ns=1)
    assert errands.next_timeout() is None


def test_only_so_many_run_at_once() -> None:
    errands = Errands()
    for peer in PEERS:
        errands.add(peer, Errand.RECORD, now_ns=0)
    assert len(errands.take(now_ns=0)) == ERRANDS_AT_ONCE_MAX
    assert errands.next_timeout() is None, "nothing can start before one ends"
    errands.done(PEERS[0], Errand.RECORD, now_ns=0)
    assert len(errands.take(now_ns=0)) == 1


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the number of running errands is what the driver thinks it is."""

    def __init__(self) -> None:
        super().__init__()
        self.errands, self.now_ns = Errands(), 0
        self.running: dict[tuple[NodeId, Errand], None] = {}

    peers, kinds = st.sampled_from(PEERS), st.sampled_from(list(Errand))

    @rule(peer=peers, kind=kinds)
    def add(self, peer: NodeId, kind: Errand) -> None:
        self.errands.add(peer, kind, now_ns=self.now_ns)

    @rule(later_ns=st.integers(0, ERRAND_REST_NS * 4))
    def take(self, later_ns: int) -> None:
        self.now_ns += later_ns
        for key in self.errands.take(now_ns=self.now_ns):
            assert key not in self.running
            self.running[key] = None

    @rule(peer=peers, kind=kinds, well=st.booleans())
    def finish(self, peer: NodeId, kind: Errand, well: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        self.running.pop((peer, kind), None)
        (self.errands.done if well else self.errands.failed)(peer, kind, now_ns=self.now_ns)

    @rule(peer=peers)
    def gone(self, peer: NodeId) -> None:
        self.errands.peer_gone(peer)
        for kind in Errand:
            self.running.pop((peer, kind), None)

    @invariant()
    def bounded(self) -> None:
        assert len(self.running) <= ERRANDS_AT_ONCE_MAX
        assert self.errands._running == len(self.running)


TestAnyOrder = AnyOrder.TestCase
