"""What neighbours do, kept small and fading, for `policies.trust` to judge. Sans-IO, asked for each relayed envelope.

A *flow* is a pair (source, destination). Something that went out on a flow through a neighbour is answered by what comes
back the other way through the same neighbour within ANSWER_NS: everybody sends answers back where the question came from
(`choice`), so that a way that worked once is kept, and one that swallowed something is left by both directions.
Silence is held against a neighbour only where the answer would have come by us: on flows of our own, and once on a flow
of others whose last answer did come by us.
One flow counts once in FLOW_REST_NS at most, and ever more rarely while nothing is answered: neither a chatty pair nor a
dead destination that is tried for hours should outvote the rest. One source holds few places among the flows that are
watched, so nobody can fill the table, or frame a neighbour, alone.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeAlias

from policies.trust import GOOD, NO_CONDUCT, Conduct, Place, Standing, TrustView, judge
from protocols.ids import NodeId

SECOND_NS = 1_000_000_000
ANSWER_NS = 5 * SECOND_NS  # a round trip over twenty slow hops; longer would leave a swallowed flow waiting
FLOW_REST_NS = 60 * SECOND_NS  # until a flow counts again; doubled for each silence in a row
DOUBLINGS_MAX = 6  # an hour
HALF_LIFE_NS = 600 * SECOND_NS  # guess: a droppers' victims don't wait longer, and amends take about an hour
FADE_NS = 5 * SECOND_NS  # counts fade in steps so long
JUDGED_NS = 2 * SECOND_NS  # a judgement holds so long
NEIGHBOURS_MAX = 1_024  # as many as there may be links; then who was heard of least recently is forgotten
FLOWS_MAX = 512  # that wait for an answer; then new ones go unwatched: a sample is enough
GOOD_NS = (
    30 * SECOND_NS
)  # that a flow holds to the way over which something came back: longer, and it may be a detour
TRIED_MAX = 8  # neighbours of a flow that are remembered; the oldest goes
SHUNNED_NS = HALF_LIFE_NS  # that a flow goes through others first, after its neighbour was silent
OTHERS_MAX = 6  # silences after which other neighbours are no longer watched at once: the destination is dead
FLOWS_PER_SOURCE_MAX = 32
OWN_FLOWS_MAX = 256  # of our own, likewise
PAIRS_MAX = (
    2_048  # flows of which we know whether they were answered last; above: who was judged longest ago goes
)

Kind: TypeAlias = Literal["replays", "rubbish", "lies"]
KINDS: dict[
    str, tuple[Kind, float]
] = {  # word -> what it is, and how often it counts; routing tells each at most
    "replay": ("replays", 1.0),  # every 10 s, sync every minute
    "stale_entry": ("replays", 1.0),  # reordering looks like it, and never costs the place alone
    "bad_entry": ("lies", 1.0),
    "false_origin": ("lies", 2.0),  # no honest node says this
    "false_self": ("lies", 2.0),
    "table_share": ("lies", 1.0),
    "offers_in_vain": ("lies", 1.0),
    "compares_too_often": ("rubbish", 4.0),
    "asks_again": ("rubbish", 4.0),
    "asks_too_much": ("rubbish", 4.0),
}
OTHER_KIND: tuple[Kind, float] = ("rubbish", 1.0)  # a frame that makes no sense, by whatever name

Flow: TypeAlias = tuple[NodeId, NodeId]


class _Ledger:
    """The counts of one neighbour; all fade together."""

    __slots__ = (
        *("acks_due", "acks_missed", "answered", "asked", "bytes", "faded_ns", "failed", "flows", "frames"),
        *("judged", "judged_ns", "lies", "place", "refused", "replays", "rubbish"),
    )

    def __init__(self, now_ns: int) -> None:
        self.faded_ns = now_ns
        self.place: Place = "full"
        self.judged: Standing | None = None
        self.judged_ns = 0
        self.flows = self.answered = self.frames = self.bytes = self.refused = self.replays = 0.0
        self.rubbish = self.lies = self.acks_due = self.acks_missed = self.asked = self.failed = 0.0

    def fade(self, now_ns: int) -> None:
        age_ns = now_ns - self.faded_ns
        if age_ns < FADE_NS:
            return
        self.faded_ns = now_ns
        left = 0.5 ** (age_ns / HALF_LIFE_NS)
        for name in COUNTS:
            setattr(self, name, getattr(self, name) * left)

    def conduct(self) -> Conduct:
        return Conduct(**{name: getattr(self, name) for name in COUNTS})


COUNTS = tuple(Conduct.__dataclass_fields__)


class _Pair:
    """What became of a flow, and how it goes on."""

    __slots__ = ("answered", "good", "good_ns", "rests_until_ns", "shunned", "silences", "trying", "waiting")

    def __init__(self) -> None:
        self.good: NodeId | None = None  # the neighbour over which something came back last
        self.good_ns = 0
        self.trying: dict[NodeId, int] = {}  # neighbours that something went to, unanswered since then
        self.waiting: dict[NodeId, int] = {}  # of these, whose answer counts if it comes until then
        self.shunned: dict[NodeId, int] = {}  # neighbours that were silent: others are tried first until then
        self.rests_until_ns = 0  # it counts no more before
        self.answered = False  # when it was watched last
        self.silences = 0  # in a row


class Evidence:
    def __init__(self, me: NodeId, *, is_contact: Callable[[NodeId], bool] = lambda _: False) -> None:
        self._me, self._is_contact = me, is_contact
        self._ledgers: dict[NodeId, _Ledger] = {}  # least recently heard of first
        self._due: deque[tuple[int, Flow, NodeId]] = deque()  # answers that are waited for, or were
        self._pairs: dict[Flow, _Pair] = {}  # the one that was judged longest ago first
        self._of_source: dict[NodeId, int] = {}  # of those in `_due`, each
        self._totals = NO_CONDUCT
        self._totals_ns: int | None = None
        self._now_ns = 0  # as last told

    # -- what happens -----------------------------------------------------------------------------------------

    def forwarded(self, neighbour: NodeId, source: NodeId, destination: NodeId, now_ns: int) -> None:
        """Something that deserves an answer was handed to this neighbour."""
        flow = (source, destination)
        pair = self._pairs.get(flow)
        if pair is None:
            pair = self._enter(flow)
        if neighbour not in pair.trying:
            if len(pair.trying) >= TRIED_MAX:
                del pair.trying[next(iter(pair.trying))]
            pair.trying[neighbour] = now_ns
        elif pair.rests_until_ns > now_ns:  # nearly always
            return
        if neighbour == destination:
            return  # what it does for itself says nothing of what it does for others
        if pair.rests_until_ns > now_ns:
            another = 0 < pair.silences <= OTHERS_MAX and neighbour not in pair.shunned
            if not another:
                return
        self._settle(now_ns)
        if len(self._due) >= FLOWS_MAX or neighbour in pair.waiting:
            return
        of_source = self._of_source.get(source, 0)
        if of_source < (OWN_FLOWS_MAX if source == self._me else FLOWS_PER_SOURCE_MAX):
            self._of_source[source] = of_source + 1
            pair.waiting[neighbour] = now_ns + ANSWER_NS
            self._due.append((now_ns + ANSWER_NS, flow, neighbour))

    def passed(self, source: NodeId, destination: NodeId, neighbour: NodeId, now_ns: int) -> None:
        """Something of `source` for `destination` came from this neighbour: an answer, if it was asked that way."""
        flow = (destination, source)
        pair = self._pairs.get(flow)
        if pair is None:
            pair = self._enter(flow)
        pair.good, pair.good_ns = neighbour, now_ns
        if pair.trying or pair.silences:
            self._answered(flow, pair, neighbour, now_ns)

    def choice(
        self, source: NodeId, destination: NodeId, patience_ns: int | None, now_ns: int
    ) -> tuple[NodeId | None, tuple[NodeId, ...]]:
        """The neighbour to hold to, since something came back that way a moment ago; and whom to avoid, if others can:
        who was silent on this flow, and who did not answer for `patience_ns`, the one tried last at the end.
        """
        pair = self._pairs.get((source, destination))
        if pair is None:
            return None, ()
        avoid: tuple[NodeId, ...] = ()
        if pair.shunned:
            avoid = tuple(peer for peer, until_ns in pair.shunned.items() if until_ns > now_ns)
        if pair.trying and patience_ns is not None:
            late = [peer for peer, since_ns in pair.trying.items() if now_ns - since_ns >= patience_ns]
            avoid = (*(peer for peer in avoid if peer not in late), *late)
        good = pair.good if now_ns - pair.good_ns <= GOOD_NS else None
        return (None if good in avoid else good), avoid

    def tried(self, source: NodeId, destination: NodeId) -> int:
        """How many neighbours were, since the last answer."""
        pair = self._pairs.get((source, destination))
        return 0 if pair is None else len(pair.trying)

    def tried_all(self, source: NodeId, destination: NodeId, last: NodeId) -> None:
        """No other neighbour leads there: begin anew, with any but the last."""
        pair = self._pairs.get((source, destination))
        if pair is not None:
            pair.trying = {last: pair.trying[last]} if last in pair.trying else {}
            pair.shunned.clear()

    def gone(self, neighbour: NodeId) -> None:
        """Its last link broke: whatever it was about to answer is nobody's fault, and explains its silence before."""
        for pair in self._pairs.values():
            pair.waiting.pop(neighbour, None)
            pair.trying.pop(neighbour, None)
            if pair.good == neighbour:
                pair.good = None
        if (ledger := self._ledgers.get(neighbour)) is not None:
            ledger.acks_due = ledger.acks_missed = 0.0

    def suspicious(self, neighbour: NodeId, reason: str) -> None:
        """A fixed word of the router, of sync, of the core."""
        ledger = self._ledger(neighbour, self._now_ns)
        kind, weight = KINDS.get(reason, OTHER_KIND)
        setattr(ledger, kind, getattr(ledger, kind) + weight)

    def frames(self, neighbour: NodeId, count: int, nbytes: int, now_ns: int) -> None:
        """It gave us these to relay."""
        ledger = self._ledger(neighbour, now_ns)
        ledger.frames += count
        ledger.bytes += nbytes

    def refused(self, neighbour: NodeId, count: int, now_ns: int) -> None:
        """Of its frames, these were above its fair share (`FairQueue`, `Relaying`)."""
        self._ledger(neighbour, now_ns).refused += count

    def hop_ack(self, neighbour: NodeId, now_ns: int, *, came: bool) -> None:
        ledger = self._ledger(neighbour, now_ns)
        ledger.acks_due += 1.0
        ledger.acks_missed += 0.0 if came else 1.0

    def service(self, neighbour: NodeId, now_ns: int, *, answered: bool) -> None:
        ledger = self._ledger(neighbour, now_ns)
        ledger.asked += 1.0
        ledger.failed += 0.0 if answered else 1.0

    def forget(self, neighbour: NodeId) -> None:
        """The owner removed it from all books."""
        self._ledgers.pop(neighbour, None)
        self._totals_ns = None

    # -- what it comes to -------------------------------------------------------------------------------------

    def standing(self, neighbour: NodeId, now_ns: int) -> Standing:
        """Cheap: a judgement holds for a moment. Of one that nothing is known of: full."""
        self._settle(now_ns)
        ledger = self._ledgers.get(neighbour)
        if ledger is None:
            return GOOD
        if ledger.judged is None or now_ns - ledger.judged_ns >= JUDGED_NS:
            ledger.fade(now_ns)
            its = ledger.conduct()
            view = TrustView(
                its,
                others=_without(self._all(now_ns), its),
                contact=self._is_contact(neighbour),
                place_before=ledger.place,
            )
            ledger.judged, ledger.judged_ns = judge(view), now_ns
            ledger.place = ledger.judged.place
        return ledger.judged

    def why(self, neighbour: NodeId) -> Conduct:
        """The counts behind its standing, as last judged."""
        ledger = self._ledgers.get(neighbour)
        return NO_CONDUCT if ledger is None else ledger.conduct()

    def known(self) -> list[NodeId]:
        """All neighbours of whom there is evidence, those who are away too."""
        return list(self._ledgers)

    # -- flows ------------------------------------------------------------------------------------------------

    def _settle(self, now_ns: int) -> None:
        """What was due and did not come."""
        while self._due and self._due[0][0] < now_ns:
            until_ns, flow, neighbour = self._due.popleft()
            self._leave(flow[0])
            pair = self._pairs.get(flow)
            if pair is None or pair.waiting.get(neighbour) != until_ns:
                continue  # it was answered
            del pair.waiting[neighbour]
            if flow[0] == self._me or pair.answered:
                self._ledger(neighbour, now_ns).flows += 1.0
            if len(pair.shunned) >= TRIED_MAX:
                del pair.shunned[next(iter(pair.shunned))]
            pair.shunned[neighbour] = now_ns + SHUNNED_NS
            pair.answered = False
            pair.silences += 1
            self._rest(flow, pair, now_ns)

    def _answered(self, flow: Flow, pair: _Pair, neighbour: NodeId, now_ns: int) -> None:
        """By this neighbour. What others were handed is still due from them, for whoever gets it sends the answer back
        the same way; unless this one was never asked: then somebody on the way does not keep to that.
        """
        self._settle(now_ns)
        asked = pair.trying.pop(neighbour, None) is not None
        pair.answered = pair.answered or asked
        pair.shunned.pop(neighbour, None)
        until_ns = pair.waiting.pop(neighbour, None)
        if until_ns is not None:
            ledger = self._ledger(neighbour, now_ns)
            ledger.flows += 1.0
            ledger.answered += 1.0
        if flow[0] != self._me and not asked:
            pair.waiting.clear()
            pair.trying.clear()
        if until_ns is not None or pair.silences:
            pair.answered, pair.silences = True, 0
            self._rest(flow, pair, now_ns)

    def _rest(self, flow: Flow, pair: _Pair, now_ns: int) -> None:
        pair.rests_until_ns = now_ns + (FLOW_REST_NS << min(pair.silences, DOUBLINGS_MAX))
        self._pairs[flow] = self._pairs.pop(flow)

    def _enter(self, flow: Flow) -> _Pair:
        if len(self._pairs) >= PAIRS_MAX:
            del self._pairs[next(iter(self._pairs))]
        pair = self._pairs[flow] = _Pair()
        return pair

    def _leave(self, source: NodeId) -> None:
        left = self._of_source[source] - 1
        if left:
            self._of_source[source] = left
        else:
            del self._of_source[source]

    # -- ledgers ----------------------------------------------------------------------------------------------

    def _ledger(self, neighbour: NodeId, now_ns: int) -> _Ledger:
        self._now_ns = now_ns
        ledger = self._ledgers.get(neighbour)
        if ledger is None:
            if len(self._ledgers) >= NEIGHBOURS_MAX:
                del self._ledgers[self._most_forgettable()]
            ledger = self._ledgers[neighbour] = _Ledger(now_ns)
        ledger.fade(now_ns)
        return ledger

    def _most_forgettable(self) -> NodeId:
        """One of whom nothing is held against, of whom we heard least recently; a bad name is kept longest."""
        return min(self._ledgers, key=lambda peer: self._worth_keeping(self._ledgers[peer]))

    def _worth_keeping(self, ledger: _Ledger) -> tuple[bool, int]:
        return ledger.place != "full", ledger.faded_ns

    def _all(self, now_ns: int) -> Conduct:
        if self._totals_ns is None or now_ns - self._totals_ns >= JUDGED_NS:
            for ledger in self._ledgers.values():
                ledger.fade(now_ns)
            ledgers = list(self._ledgers.values())
            self._totals = Conduct(
                **{name: sum(getattr(ledger, name) for ledger in ledgers) for name in COUNTS}
            )
            self._totals_ns = now_ns
        return self._totals


def _without(total: Conduct, its: Conduct) -> Conduct:
    """What is left for the others; totals are a moment old, so no count may fall below zero."""
    return replace(total, **{name: max(0.0, getattr(total, name) - getattr(its, name)) for name in COUNTS})
