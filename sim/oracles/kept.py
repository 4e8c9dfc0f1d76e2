"""What a node accepted is still there at the end, or was delivered, or its writer was told that it was given up."""

from sim.core import Core
from sim.host import Host
from sim.journal import Letter
from sim.oracles.oracle import Ground, Oracle
from sim.timeline import NS_PER_S

SETTLE_NS = NS_PER_S  # what came so shortly before the end may not be read yet


class Kept(Oracle):
    """Lane A keeps nothing beyond a boot: there it holds for letters that this boot accepted."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._boots: dict[int, int] = {}  # of the sender, when it accepted this letter

    def accepted(self, letter: Letter) -> None:
        self._boots[letter.number] = self.village.hosts[letter.sender].boots

    def arrived(self, letter: Letter) -> None:
        self._boots.pop(letter.number, None)

    def finish(self) -> None:
        before_ns = self.village.timeline.now_ns - SETTLE_NS
        for letter in self._waiting():
            if (letter.accepted_ns or 0) > before_ns or self.ground.spoiled(letter.sender):
                continue
            sender, receiver = self.village.hosts[letter.sender], self.village.hosts[letter.receiver]
            if isinstance(sender.process, Core):
                if sender.boots == self._boots[letter.number] and not sender.process.holds(letter):
                    self.broke(letter.sender, f"letter {letter.number} is gone, and did not arrive")
            elif letter.sender in self.ground.asked:
                self._judge(letter, receiver)

    def _judge(self, letter: Letter, receiver: Host) -> None:
        state = self.ground.states.get((letter.sender, letter.text))
        if state is None:
            self.broke(letter.sender, f"letter {letter.number} was accepted, and is nowhere")
        elif state in ("delivered", "read") and self._reads(receiver):
            self.broke(
                letter.sender, f"letter {letter.number} counts as {state}; {receiver.name} never read it"
            )

    def _reads(self, receiver: Host) -> bool:
        """Its application has had time to read all there is."""
        quiet_ns = self.village.timeline.now_ns - SETTLE_NS
        return receiver.up and receiver.booted_ns < quiet_ns and not self.ground.spoiled(receiver.name)

    def _waiting(self) -> list[Letter]:
        letters = self.village.journal
        return [letter for number in self._boots if not (letter := letters[number]).arrivals]
