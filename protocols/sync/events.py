"""What sync has to tell about its neighbours."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from protocols.ids import NodeId

Suspicion: TypeAlias = Literal[
    "compares_too_often",
    "asks_again",  # for what it was sent several times
    "asks_too_much",  # more bytes than a whole window
    "offers_in_vain",  # what it then does not send
]


@dataclass(frozen=True, slots=True)
class Suspicious:
    """No proof: lost frames look a little like it. Told once a minute at most for each neighbour and reason."""

    peer: NodeId
    reason: Suspicion
