"""What neighbours do, kept small and fading, for `policies.trust` to judge. Sans-IO, asked for each relayed envelope.

A *flow* is a pair (source, destination). Something that went out on a flow is answered by whatever comes back the
other way within ANSWER_NS. Silence is held against a neighbour only where the answer would have come by us: on flows of
our own, and once on a flow of others whose last answer did come by us; answers may go other ways, and honest ones do.
One flow counts once in FLOW_REST_NS at most, and ever more rarely while nothing is answered: neither a chatty pair nor a
dead destination that is tried for hours should outvote the rest. One source holds few places among the flows that are
watched, so nobody can fill the table, or frame a neighbour, alone.
"""

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
SHUNNED_NS = HALF_LIFE_NS  # that a flow goes through others first, after its neighbour was silent
OTHERS_MAX = 6  # silences after which other neighbours are no longer watched at once: the destination is dead
FLOWS_PER_SOURCE_MAX = 32
OWN_FLOWS_MAX = 256  # of our own, likewise
PAIRS_MAX = 1_024  # flows of which we know whether they were answered last

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
    """What became of a flow when it was watched last."""

    __slots__ = ("in_vain", "rests_until_ns", "shunned_until_ns", "silences")

    def __init__(self) -> None:
        self.rests_until_ns = 0  # it counts no more before
        self.silences = 0  # in a row; 0: it was answered last
        self.in_vain: NodeId | None = None  # the neighbour that it went through last without an answer
        self.shunned_until_ns = 0  # so long others are tried first


class _Watched:
    __slots__ = ("neighbour", "until_ns")

    def __init__(self, neighbour: NodeId, until_ns: int) -> None:
        self.neighbour, self.until_ns = neighbour, until_ns


class Evidence:
    def __init__(self, me: NodeId, *, is_contact: Callable[[NodeId], bool] = lambda _: False) -> None:
        self._me, self._is_contact = me, is_contact
        self._ledgers: dict[NodeId, _Ledger] = {}  # least recently heard of first
        self._waiting: dict[Flow, _Watched] = {}  # for an answer; the first is due first
        self._pairs: dict[Flow, _Pair] = {}  # the one that was judged longest ago first
        self._of_source: dict[NodeId, int] = {}  # waiting flows of each
        self._totals = NO_CONDUCT
        self._totals_ns: int | None = None
        self._now_ns = 0  # as last told

    # -- what happens -----------------------------------------------------------------------------------------

    def forwarded(self, neighbour: NodeId, source: NodeId, destination: NodeId, now_ns: int) -> None:
        """Something that deserves an answer was handed to this neighbour."""
        flow = (source, destination)
        if flow in self._waiting:
            return
        pair = self._pairs.get(flow)
        if pair is not None and pair.rests_until_ns > now_ns:  # nearly always
            another = 0 < pair.silences <= OTHERS_MAX and pair.in_vain not in {None, neighbour}
            if not another:
                return
        self._settle(now_ns)
        if len(self._waiting) >= FLOWS_MAX:
            return
        of_source = self._of_source.get(source, 0)
        if of_source < (OWN_FLOWS_MAX if source == self._me else FLOWS_PER_SOURCE_MAX):
            self._of_source[source] = of_source + 1
            self._waiting[flow] = _Watched(neighbour, now_ns + ANSWER_NS)

    def passed(self, source: NodeId, destination: NodeId, now_ns: int) -> None:
        """Something came from `source` for `destination`: an answer, if it was asked the other way."""
        flow = (destination, source)
        watched = self._waiting.get(flow)
        if watched is not None and now_ns <= watched.until_ns:
            ledger = self._ledger(watched.neighbour, now_ns)
            ledger.flows += 1.0
            ledger.answered += 1.0
            self._rest(flow, None, now_ns)
            return
        if watched is not None:
            self._settle(now_ns)
        pair = self._pairs.get(flow)
        if pair is not None and pair.silences:  # too late to count, but not dead
            self._rest(flow, None, now_ns)

    def in_vain(self, source: NodeId, destination: NodeId, now_ns: int) -> NodeId | None:
        """The neighbour through which this flow got no answer a while ago: try another one first, where there is."""
        pair = self._pairs.get((source, destination))
        return None if pair is None or pair.shunned_until_ns <= now_ns else pair.in_vain

    def gone(self, neighbour: NodeId) -> None:
        """Its last link broke: whatever it was about to answer is nobody's fault, and explains its silence before."""
        for flow in [flow for flow, watched in self._waiting.items() if watched.neighbour == neighbour]:
            self._drop(flow)
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
        while self._waiting:
            flow, watched = next(iter(self._waiting.items()))
            if watched.until_ns >= now_ns:
                break
            pair = self._pairs.get(flow)
            if flow[0] == self._me or (pair is not None and pair.silences == 0):
                self._ledger(watched.neighbour, now_ns).flows += 1.0
            self._rest(flow, watched.neighbour, now_ns)

    def _rest(self, flow: Flow, silent: NodeId | None, now_ns: int) -> None:
        """It was answered, or this neighbour was silent: others are tried first, whether or not it is to blame."""
        self._drop(flow)
        pair = self._pairs.pop(flow, None) or _Pair()
        if silent is None:
            pair.silences = 0
        else:
            pair.in_vain, pair.shunned_until_ns = silent, now_ns + SHUNNED_NS
            pair.silences += 1
        pair.rests_until_ns = now_ns + (FLOW_REST_NS << min(pair.silences, DOUBLINGS_MAX))
        if len(self._pairs) >= PAIRS_MAX:
            del self._pairs[next(iter(self._pairs))]
        self._pairs[flow] = pair

    def _drop(self, flow: Flow) -> None:
        if self._waiting.pop(flow, None) is not None:
            source = flow[0]
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
