"""Contact traces made up: people who work in groups, with some friends elsewhere.

What measured traces of such people have in common is kept: nights without contacts, gaps with a heavy tail (most
are minutes, some are days), and many contacts that one scan alone saw. Gaps and meetings are drawn from bounded
Pareto laws with shapes that need no logarithm, so that every machine draws the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from random import Random

from protocols.errors import SettingsError
from sim.models.movement.traces import Contact, ContactTrace

__all__ = ["WorkingDays", "working_days"]

PEOPLE_MAX = 5_000
DAYS_MAX = 366
PERSON_DAYS_MAX = 20_000  # measured: 30 contacts each, so a trace stays below its limit
HOUR_S = 3_600
DAY_S = 24 * HOUR_S

Hours = tuple[int, int]  # from, until, in seconds


@dataclass(frozen=True, slots=True)
class WorkingDays:
    people: int = 36
    days: int = 5
    group_size: int = 6
    friends: int = 2  # each person picks so many, anywhere
    scan_s: int = 120  # what Bluetooth traces of phones were taken with
    at_work_share: float = 0.9  # of days; guess
    friends_meet_share: float = 0.3  # of evenings; guess
    arrive_s: Hours = (8 * HOUR_S, 10 * HOUR_S)  # of the day
    leave_s: Hours = (16 * HOUR_S, 19 * HOUR_S)
    evening_s: Hours = (19 * HOUR_S, 22 * HOUR_S)
    gap_s: Hours = (120, 8 * HOUR_S)  # between two meetings; mean sqrt(120 * 28,800) = half an hour
    meeting_s: Hours = (100, HOUR_S)  # so that 40 to 45 % are seen once, as in measured traces

    def __post_init__(self) -> None:
        for name, least, most in (("people", 2, PEOPLE_MAX), ("days", 1, DAYS_MAX), ("group_size", 1, 100)):
            number: int = getattr(self, name)
            if not least <= number <= most:
                raise SettingsError(f"{name} of a made-up trace is {least} to {most:,}, not {number:,}")
        if self.people * self.days > PERSON_DAYS_MAX:
            raise SettingsError(f"people times days are at most {PERSON_DAYS_MAX:,}")
        if not 0 <= self.friends < self.people:
            raise SettingsError("friends are fewer than people")


def working_days(die: Random, plan: WorkingDays) -> ContactTrace:
    """The same die and plan give the same trace. Its second 0 is midnight."""
    pairs = _pairs(die, plan)
    contacts: list[Contact] = []
    for day in range(plan.days):
        at_work = [_hours_at_work(die, plan) for _ in range(plan.people)]
        for (a, b), together in pairs.items():
            if together:
                hours = max(at_work[a][0], at_work[b][0]), min(at_work[a][1], at_work[b][1])
            else:
                hours = plan.evening_s if die.random() < plan.friends_meet_share else (0, 0)
            for start_s, end_s in _meetings(die, plan, hours):
                contacts.append(Contact(day * DAY_S + start_s, day * DAY_S + end_s, a, b))
    return ContactTrace(plan.people, plan.scan_s, tuple(contacts))


def _pairs(die: Random, plan: WorkingDays) -> dict[tuple[int, int], bool]:
    """Those who meet, in a fixed order; true: in the same group."""
    size = plan.group_size
    pairs = {
        (a, b): True
        for a in range(plan.people)
        for b in range(a + 1, min(plan.people, (a // size + 1) * size))
    }
    for one in range(plan.people):
        for other in die.sample(range(plan.people), plan.friends):
            if one != other:
                pairs.setdefault((min(one, other), max(one, other)), False)
    return pairs


def _hours_at_work(die: Random, plan: WorkingDays) -> Hours:
    arrive_s, leave_s = die.randint(*plan.arrive_s), die.randint(*plan.leave_s)
    return (arrive_s, leave_s) if die.random() < plan.at_work_share else (0, 0)


def _meetings(die: Random, plan: WorkingDays, hours: Hours) -> Iterator[Hours]:
    """As scans see them: first and last sighting. Whom no scan falls upon is not seen."""
    now_s, until_s = hours
    scan_s = plan.scan_s
    while (now_s := now_s + _gap_s(die, *plan.gap_s)) < until_s:
        end_s = min(until_s, now_s + _meeting_s(die, *plan.meeting_s))
        first_s = -(-now_s // scan_s) * scan_s
        if first_s <= end_s:
            yield first_s, end_s // scan_s * scan_s
        now_s = end_s


def _gap_s(die: Random, least_s: int, most_s: int) -> int:
    """Pareto of shape 1/2, cut at both ends."""
    return int(least_s / (1 - die.random() * (1 - sqrt(least_s / most_s))) ** 2)


def _meeting_s(die: Random, least_s: int, most_s: int) -> int:
    """Pareto of shape 1, cut at both ends."""
    return int(least_s / (1 - die.random() * (1 - least_s / most_s)))
