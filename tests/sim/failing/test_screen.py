from hypothesis import given
from hypothesis import strategies as st

from sim.failing import Case, Circumstances, screen_of
from sim.failing.screen import COLUMNS_MAX, LINES_MAX, fault_text
from sim.faults.plan import Byzantine, Cut, Plan, Stop
from sim.result import Broken, Result, Samples

AROUND = Circumstances("0.1.0", "3.11.7", "16f635b", warm_s=10.0, file="room-7.failure.json")
text = st.text(max_size=300)


def result_of(
    broken: Broken, plan: Plan, settings: dict[str, str], trail: list[tuple[float, str, str]]
) -> Result:
    return Result(
        scenario="room",
        seed=7,
        lane="b",
        nodes=20,
        digest="0" * 32,
        events=12_345,
        virtual_s=100.0,
        wall_s=0.5,
        metrics={},
        goals=[],
        oracles={},
        broken=[broken],
        ended="broken",
        settings=settings,
        plan=plan,
        samples=Samples(trail=trail),
    )


@given(
    st.builds(Broken, text, text, text, st.floats(0, 1e6)),
    st.lists(st.builds(Stop, at_ms=st.just(0), host=text) | st.builds(Cut, at_ms=st.just(0), these=st.tuples(text, text), for_ms=st.just(10**6)), max_size=20),
    st.dictionaries(text, text, max_size=5),
    st.lists(st.tuples(st.floats(0, 1e6), text, text), max_size=40),
)  # fmt: skip
def test_it_is_one_screen_whatever_happened(broken: Broken, faults: list[Stop], settings: dict[str, str], trail: list[tuple[float, str, str]]) -> None:  # fmt: skip
    screen = screen_of(result_of(broken, Plan(tuple(faults)), settings, trail), AROUND)
    lines = screen.split("\n")
    assert len(lines) <= LINES_MAX
    assert all(len(line) <= COLUMNS_MAX and line.isprintable() for line in lines)
    assert lines[-1] == "replay   python -m sim replay room-7.failure.json"


def test_it_tells_who_what_when_and_the_faults_in_force() -> None:
    plan = Plan((Stop(at_ms=2_000, host="n3"), Cut(at_ms=1_000, these=("n1", "n3"), for_ms=500)))
    broken = Broken("once", "n3", "letter 5 from n8 arrived twice", 12.5)
    screen = screen_of(result_of(broken, plan, {"storm.loss": "0.2"}, []), AROUND)
    assert screen.split("\n") == [
        "FAILED   room, seed 7: once",
        "who      n3 at 12.500 s, event 12,345",
        "what     letter 5 from n8 arrived twice",
        f"where    20 nodes, lane b, digest {'0' * 32}",
        "with     meshnode 0.1.0 (16f635b), Python 3.11.7",
        "set      storm.loss=0.2",
        "faults   1 in force, of 2 planned",
        "         stop at 2 s: host n3",
        "notes    of 0 around n3",
        "replay   python -m sim replay room-7.failure.json",
    ]


def test_the_last_notes_around_the_hosts_concerned_are_shown() -> None:
    trail = [(float(at), f"n{at % 10}", "meets n8" if at % 10 == 1 else "boots") for at in range(400)]
    screen = screen_of(
        result_of(Broken("once", "n3", "letter 5 from n8 arrived twice", 12.5), Plan(), {}, trail), AROUND
    )
    notes = [line.split() for line in screen.split("\n") if " s  " in line]
    assert len(notes) == 20
    assert {note[2] for note in notes} == {"n1", "n3", "n8"}
    assert notes[-1][0] == "398.000"


def test_without_a_file_the_line_to_replay_names_all_that_was_set() -> None:
    screen = screen_of(
        result_of(Broken("once", "n3", "", 12.5), Plan(), {"lane": '"b"', "storm.loss": "0.2"}, []),
        Circumstances("0.1.0", "3.11.7"),
    )
    assert screen.endswith("""python -m sim run room --seed 7 --set 'lane="b"' --set storm.loss=0.2""")


def test_a_fault_is_told_in_a_line() -> None:
    cut = Cut(at_ms=1_500, these=("n1", "n2"), for_ms=999, one_way=True)
    assert fault_text(cut) == "cut at 1.5 s: these n1+n2, for_ms 999, one_way"
    assert (
        fault_text(Byzantine(at_ms=0, host="n4", behaviour="drop"))
        == "byzantine at 0 s: host n4, behaviour drop, share 1.0"
    )


def test_a_case_has_one_fingerprint_whatever_the_order_of_its_settings() -> None:
    assert Case("a", 1, {"x": "1", "y": "2"}).fingerprint == Case("a", 1, {"y": "2", "x": "1"}).fingerprint
    assert Case("a", 1).fingerprint != Case("a", 2).fingerprint
