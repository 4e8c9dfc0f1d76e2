"""What is passed on once is not passed on again."""

from meshnode.mesh.seen import GENERATION, Seen
from protocols.ids import NodeId

ONE, OTHER = NodeId(bytes([1]) * 32), NodeId(bytes([2]) * 32)


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_an_envelope_is_new_once_and_then_it_is_known_who_brought_it() -> None:
    seen = Seen()
    assert seen.before(name(1), ONE) is None
    assert seen.before(name(1), OTHER) == ONE
    assert seen.before(name(1), ONE) == ONE
    assert seen.before(name(2), OTHER) is None


def test_so_many_are_remembered_and_then_the_oldest_are_forgotten() -> None:
    seen = Seen()
    for number in range(GENERATION + 1):
        seen.before(name(number), ONE)
    assert seen.before(name(0), OTHER) == ONE
    for number in range(GENERATION + 1, 10 * GENERATION):
        seen.before(name(number), ONE)
        assert len(seen) <= 2 * GENERATION
    assert seen.before(name(0), OTHER) is None
