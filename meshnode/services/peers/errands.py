"""What is owed to peers while they are connected: sans-IO.

    absent --add--> due --take--> running --done--> absent
                     ^               |-----failed--> due, later and later
                     '--add meanwhile, once done-----'

Nothing is owed to a peer that is away: when it comes back the service looks anew at what it should hear.
"""

from dataclasses import dataclass
from enum import Enum

from meshnode.services.peers.limits import ERRAND_REST_NS, ERRAND_REST_NS_MAX, ERRANDS_AT_ONCE_MAX
from protocols.ids import NodeId


class Errand(Enum):
    REDEEM = "redeem"  # show the secret of its invite
    REVOCATIONS = "revocations"  # pass on the ones it has not heard from us
    RECORD = "record"  # our own record changed while the session lives


@dataclass(slots=True)
class _Job:
    due_ns: int
    failures: int = 0
    running: bool = False
    again: bool = False


class Errands:
    """At most ERRANDS_AT_ONCE_MAX run at a time; the table is bounded by connected peers times kinds."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[NodeId, Errand], _Job] = {}
        self._running = 0

    def add(self, peer: NodeId, errand: Errand, *, now_ns: int) -> None:
        job = self._jobs.get((peer, errand))
        if job is None:
            self._jobs[peer, errand] = _Job(now_ns)
        elif job.running:
            job.again = True
        else:
            job.due_ns = min(job.due_ns, now_ns)

    def peer_gone(self, peer: NodeId) -> None:
        """Running ones fail by themselves, and are then forgotten."""
        for errand in Errand:
            job = self._jobs.pop((peer, errand), None)
            if job is not None and job.running:
                self._running -= 1

    def take(self, *, now_ns: int) -> list[tuple[NodeId, Errand]]:
        """Start these; each is answered by `done` or `failed`."""
        taken: list[tuple[NodeId, Errand]] = []
        for key, job in self._jobs.items():
            if self._running >= ERRANDS_AT_ONCE_MAX:
                break
            if not job.running and job.due_ns <= now_ns:
                job.running, job.again = True, False
                self._running += 1
                taken.append(key)
        return taken

    def done(self, peer: NodeId, errand: Errand, *, now_ns: int) -> None:
        job = self._finish(peer, errand)
        if job is None:
            return
        if job.again:
            job.failures, job.due_ns = 0, now_ns
        else:
            del self._jobs[peer, errand]

    def failed(self, peer: NodeId, errand: Errand, *, now_ns: int) -> None:
        job = self._finish(peer, errand)
        if job is None:
            return
        job.due_ns = now_ns + min(ERRAND_REST_NS << min(job.failures, 32), ERRAND_REST_NS_MAX)
        job.failures += 1

    def next_timeout(self) -> int | None:
        if self._running >= ERRANDS_AT_ONCE_MAX:
            return None
        return min((job.due_ns for job in self._jobs.values() if not job.running), default=None)

    def _finish(self, peer: NodeId, errand: Errand) -> _Job | None:
        job = self._jobs.get((peer, errand))
        if job is None or not job.running:
            return None
        job.running = False
        self._running -= 1
        return job
