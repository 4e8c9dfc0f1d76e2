"""What must never happen, whatever goes wrong around."""

import asyncio

from sim.host import Host
from sim.journal import Letter, Stray
from sim.loop import SimLoop
from sim.oracles.oracle import Ground, Oracle
from sim.timeline import NS_PER_S
from sim.village import Lane

RANKS = {
    "queued": 0,
    "sent": 1,
    "delivered": 2,
    "expired": 2,
    "read": 3,
}  # a message's states, on their way up
PREFIX = "message_"  # of the events that tell them


class ExactlyOnce(Oracle):
    """No application gets a letter twice."""

    def arrived(self, letter: Letter) -> None:
        if len(letter.arrivals) > 1:
            first, last = letter.arrivals[0] / NS_PER_S, letter.arrivals[-1] / NS_PER_S
            self.broke(
                letter.receiver,
                f"letter {letter.number} of {letter.sender} came at {first:.3f} s and {last:.3f} s",
            )


class InOrder(Oracle):
    """What one host writes to another arrives in the order of its writing. Lane B: a core posts all at once."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._last: dict[tuple[str, str], int] = {}  # (sender, receiver) -> the latest that arrived

    def arrived(self, letter: Letter) -> None:
        if len(letter.arrivals) > 1 or self.village.lane is not Lane.DAEMON:
            return
        pair = letter.sender, letter.receiver
        last = self._last.get(pair, -1)
        if letter.number < last:
            self.broke(
                letter.receiver, f"letter {letter.number} of {letter.sender} came behind letter {last}"
            )
        self._last[pair] = max(last, letter.number)


class NoForgery(Oracle):
    """Nothing arrives that was not written so, to this receiver, by this sender; and nobody else is told it."""

    def strayed(self, stray: Stray) -> None:
        self.broke(stray.at, f"{stray.text[:64]!r} came as if from {stray.claimed_sender}")


class Alive(Oracle):
    """No node ends by itself (which nodes report as it happens), and nobody raises what nobody catches."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._seen = 0

    def look(self, hosts: list[Host]) -> None:  # noqa: ARG002 - faults are the loop's, not a host's
        loop = asyncio._get_running_loop()  # noqa: SLF001 - gives None in lane A, where the public one raises
        if isinstance(loop, SimLoop):
            for fault in loop.faults[self._seen :]:
                self.broke("somebody", f"{fault.get('message', '?')}: {fault.get('exception')!r}")
            self._seen = len(loop.faults)


class Monotone(Oracle):
    """What a node tells of a message never goes back. Lane B; a core has no states."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._states: dict[tuple[str, str], str] = {}

    def told(self, host: str, event: str, message_id: str) -> None:
        state = event.removeprefix(PREFIX)
        if state not in RANKS or state == event:
            return
        before = self._states.get((host, message_id), "queued")
        if RANKS[state] < RANKS[before]:
            self.broke(host, f"message {message_id} was {before} and is {state}")
        self._states[host, message_id] = state
