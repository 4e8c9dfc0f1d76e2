"""Who gets copies of what is carried: spray, and focus on those who met the receiver more recently.

Each object has a budget of copies; whoever carries it with more than one may give half of them to anybody (binary spray
and wait: Spyropoulos, Psounis and Raghavendra 2005) during the first half of the time that was left when he got it. Later
copies would cost as much and rarely arrive. At any time one who met the receiver more recently than everybody this copy
has heard of gets one, and sets the mark for the next (delegation forwarding: Erramilli, Crovella, Chaintreau and Diot
2008). The giver keeps one always, so that a courier who lies about whom it met can waste copies, and lose nothing.

Only first-hand meetings count. Ages that travel from mouth to mouth (as in PRoPHET, RFC 6693) brought 4 % more on the
simulator's `working_days`, for which everybody would tell everybody else whom he met.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CopyView:
    copies: int  # that the giver may still give away, its own included
    mark_s: int | None  # last meeting with the receiver of the best one that this copy knows of; Unix time
    taker_met_s: int | None  # the taker's
    taken_s: int  # when the giver got it
    expires_s: int
    now_s: int


@dataclass(frozen=True, slots=True)
class Giving:
    copies: int  # to the taker
    kept: int
    mark_s: int | None  # of both copies from now on


def decide_giving(view: CopyView) -> Giving | None:
    """None: the taker is no better, and it is not the time to spray."""
    given = max(1, view.copies // 2)
    kept = max(1, view.copies - given)
    if view.taker_met_s is not None and (view.mark_s is None or view.taker_met_s > view.mark_s):
        return Giving(given, kept, view.taker_met_s)
    spraying = 2 * (view.now_s - view.taken_s) < view.expires_s - view.taken_s
    if view.copies > 1 and spraying:
        return Giving(given, kept, view.mark_s)
    return None
