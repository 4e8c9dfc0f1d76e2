"""How long it may take, after a storm, until two hosts that hear each other have met again.

A node that calls in vain rests, and each rest is up to twice as long as the one before: whoever was out of reach for a
minute may be called again only a minute later. A node that boots calls at once, so absence makes nobody wait.
"""

from policies.backoff import BackoffLimits
from sim.faults.plan import Byzantine, Clog, Cut, Middle, Plan, Sleep, Weather
from sim.timeline import NS_PER_MS, NS_PER_S

MEETING_NS = 15 * NS_PER_S  # a dial (3 s), a handshake with its resends (7.5 s), and a few messages
LIMITS = BackoffLimits()


class Patience:
    """Of everybody who keeps to `plan`. With no plan: a meeting, without any rest."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._all_ms, self._hosts_ms = 0, dict[str, int]()  # out of reach, one after the other
        for fault in () if plan is None else plan.faults:
            match fault:
                case Cut():
                    for host in fault.these:
                        self._add(host, fault.for_ms)
                case Sleep():
                    self._add(fault.host, fault.for_ms)
                case Clog() | Middle():
                    self._add(fault.sender, fault.for_ms)
                case Weather():
                    self._all_ms += fault.for_ms
                case Byzantine():
                    self._all_ms += (
                        LIMITS.longest_ns // NS_PER_MS
                    )  # who pretends to be others may keep anybody
                case _:
                    pass

    def meeting_ns(self, one: str, other: str) -> int:
        """At most, once both are up and nothing is in their way."""
        hindered_ms = self._all_ms + self._hosts_ms.get(one, 0) + self._hosts_ms.get(other, 0)
        if not hindered_ms:
            return MEETING_NS
        rest_ns = LIMITS.first_ns + 2 * hindered_ms * NS_PER_MS
        return MEETING_NS + min(LIMITS.longest_ns, rest_ns)

    def _add(self, host: str, for_ms: int) -> None:
        self._hosts_ms[host] = self._hosts_ms.get(host, 0) + for_ms
