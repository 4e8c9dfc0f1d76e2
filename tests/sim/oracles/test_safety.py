import asyncio
from collections.abc import Callable

import pytest

from meshnode.mesh import links
from sim.loop import SimLoop
from sim.oracles import Oracles
from sim.oracles.bounded import Bounded
from sim.timeline import NS_PER_S
from sim.village import Village

S = NS_PER_S


@pytest.fixture
def watched(village: Callable[..., Village]) -> tuple[Village, Oracles]:
    here = village(nodes=3)
    oracles = Oracles(here)
    oracles.start()
    here.timeline.run(5 * S)
    return here, oracles


def broken(here: Village) -> list[tuple[str, str]]:
    return [(breach.oracle, breach.who) for breach in here.breaches]


def test_a_quiet_village_breaks_nothing(watched: tuple[Village, Oracles]) -> None:
    here, oracles = watched
    letter = here.hosts["n0"].send(here.hosts["n1"])
    here.timeline.run(30 * S)
    oracles.finish()
    assert letter.arrivals
    assert here.breaches == []
    assert set(oracles.verdicts().values()) == {"held"}


def test_a_letter_that_comes_twice_is_told_at_once(watched: tuple[Village, Oracles]) -> None:
    here, oracles = watched
    letter = here.hosts["n0"].send(here.hosts["n1"])
    here.timeline.run(6 * S)
    here.journal.arrive("n1", "n0", letter.text)
    assert broken(here) == [("exactly_once", "n1")]
    assert oracles.verdicts()["exactly_once"].startswith("n1: letter 0 of n0 came at ")


@pytest.mark.parametrize(
    ("at", "sender", "text"),
    [("n1", "n2", "letter 0"), ("n2", "n0", "letter 0"), ("n1", "n0", "letter 7"), ("n1", "n0", "pay me")],
)
def test_what_nobody_wrote_so_is_a_forgery(
    watched: tuple[Village, Oracles], at: str, sender: str, text: str
) -> None:
    here, _ = watched
    here.hosts["n0"].send(here.hosts["n1"])
    here.journal.arrive(at, sender, text)
    assert broken(here) == [("no_forgery", at)]


def test_the_first_breach_ends_a_run_that_wants_it(village: Callable[..., Village]) -> None:
    here = village(nodes=2)
    here.stop_at_breach = True
    Oracles(here).start()
    here.timeline.at(3 * S, "forge", here.journal.arrive, "n1", "n0", "pay me")
    with pytest.raises(Exception, match="no_forgery: n1"):
        here.timeline.run(10 * S)
    assert here.timeline.now_ns == 3 * S


def test_a_node_that_ends_by_itself_is_told(watched: tuple[Village, Oracles]) -> None:
    here, _ = watched
    here.node_died(here.hosts["n0"], ValueError("oh"))
    assert broken(here) == [("alive", "n0")]


def test_what_nobody_catches_is_told_within_a_second(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        Oracles(here).start()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)

        def fail() -> None:
            raise ValueError("oh")

        loop.call_later(0.5, fail)
        await asyncio.sleep(1.1)
        assert broken(here) == [("alive", "somebody")]
        assert "oh" in here.breaches[0].what
        await asyncio.sleep(5)

    assert len(live(story, nodes=1).breaches) == 1


@pytest.mark.parametrize(
    ("told", "breaches"),
    [
        (["queued", "sent", "sent", "delivered", "read"], 0),
        (["delivered"], 0),
        (["queued", "expired"], 0),
        (["sent", "queued"], 1),
        (["delivered", "sent"], 1),
        (["read", "delivered"], 1),
        (["read", "expired"], 1),
        (["received", "sent"], 0),
    ],
)
def test_a_messages_states_go_up_only(
    watched: tuple[Village, Oracles], told: list[str], breaches: int
) -> None:
    here, _ = watched
    for state in told:
        here.journal.tell("n0", f"message_{state}", "abc")
        here.journal.tell("n1", "message_queued", "abc")  # another node's view of it is another matter
    assert broken(here) == [("monotone", "n0")] * breaches


def test_daemons_tell_what_becomes_of_messages(live: Callable[..., Village]) -> None:
    heard: list[tuple[str, str]] = []

    class Listener:
        def accepted(self, letter: object) -> None: ...

        def arrived(self, letter: object) -> None: ...

        def strayed(self, stray: object) -> None: ...

        def told(self, host: str, event: str, message_id: str) -> None:
            heard.append((host, event))

    async def story(here: Village) -> None:
        here.journal.witnesses.append(Listener())
        here.hosts["n0"].send(here.hosts["n1"])
        await asyncio.sleep(5)

    live(story, nodes=2)
    assert [event for host, event in heard if host == "n0"] == [
        "message_queued",
        "message_sent",
        "message_delivered",
    ]


def test_a_table_beyond_its_limit_is_told_once_for_each_new_height(
    watched: tuple[Village, Oracles], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, oracles = watched
    assert links.LINKS_MAX > 2
    monkeypatch.setattr("sim.oracles.sizes.LINKS_MAX", 1)
    monkeypatch.setattr("sim.oracles.bounded.EVENTS_MIN", 0)  # else it would not look in so quiet a village
    bounded = oracles["bounded"]
    assert isinstance(bounded, Bounded)
    bounded.largest.clear()
    here.timeline.run(10 * S)
    assert [breach.oracle for breach in here.breaches] == ["bounded"]
    assert "links, more than 1" in here.breaches[0].what
    assert bounded.largest["links"] > 1


def test_daemons_have_sizes_too(live: Callable[..., Village]) -> None:
    async def story(here: Village) -> None:
        oracles = Oracles(here)
        oracles.start()
        await asyncio.sleep(2)
        bounded = oracles["bounded"]
        assert isinstance(bounded, Bounded)
        assert bounded.largest["links"] == 1
        assert bounded.largest["sessions"] >= 1

    assert live(story, nodes=2).breaches == []
