"""What one neighbour asked and gave: kept for a while when it goes, so that coming again wipes nothing out."""

from dataclasses import dataclass, field

from protocols.sync.events import Suspicion
from protocols.sync.limits import SyncLimits


@dataclass(slots=True)
class Account:
    sent: dict[bytes, int] = field(default_factory=dict[bytes, int])  # key -> how often it was sent to it
    gave: int = 0  # frames that were asked of it and came
    vain: int = 0  # and that did not
    shunned_until_ns: int = 0
    told_ns: dict[Suspicion, int] = field(default_factory=dict[Suspicion, int])

    def sends_again(self, key: bytes, limits: SyncLimits) -> bool:
        """Whether it may have this, once more; counts it."""
        times = self.sent.pop(key, 0)
        allowed = times < limits.resent_max
        self.sent[key] = times + allowed
        if len(self.sent) > limits.sent_ids_max:
            del self.sent[next(iter(self.sent))]
        return allowed

    def kept_waiting(self, limits: SyncLimits, now_ns: int) -> bool:
        """One frame did not come. True: that happens so often that its offers are passed over from now on."""
        self.vain += 1
        if self.vain < limits.vain_min or self.vain < limits.vain_share * self.gave:
            return False
        self.gave = self.vain = 0
        self.shunned_until_ns = now_ns + limits.shun_ns
        return True

    def may_tell(self, reason: Suspicion, limits: SyncLimits, now_ns: int) -> bool:
        last_ns = self.told_ns.get(reason)
        if last_ns is not None and now_ns < last_ns + limits.told_ns:
            return False
        self.told_ns[reason] = now_ns
        return True
