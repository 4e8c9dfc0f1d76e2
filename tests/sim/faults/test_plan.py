import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.faults import Plan, decode_plan, encode_plan
from sim.faults.plan import (
    PLAN_BYTES_MAX,
    Byzantine,
    ClockStep,
    Clog,
    Crash,
    Cut,
    Disk,
    Fault,
    Middle,
    Sleep,
    Stop,
    Weather,
)

ms = st.integers(0, 10**6)
names = st.sampled_from(["n0", "n1", "n2"])
shares = st.floats(0, 1)
facts: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Crash, at_ms=ms, host=names, down_ms=ms, power=st.booleans()),
    st.builds(Stop, at_ms=ms, host=names, away_ms=st.none() | ms),
    st.builds(Sleep, at_ms=ms, host=names, for_ms=ms),
    st.builds(
        Cut, at_ms=ms, these=st.tuples(names), for_ms=ms, one_way=st.booleans(), media=st.just(("ip",))
    ),
    st.builds(Clog, at_ms=ms, sender=names, receiver=names, for_ms=ms, loss=shares, delay_ms=ms),
    st.builds(Weather, at_ms=ms, for_ms=ms, loss=shares, delay_ms=ms),
    st.builds(ClockStep, at_ms=ms, host=names, by_ms=st.integers(-(10**6), 10**6)),
    st.builds(Disk, at_ms=ms, host=names, trouble=st.sampled_from(["full", "read_only", "rot"]), for_ms=ms),
    st.builds(Byzantine, at_ms=ms, host=names, behaviour=st.just("drop"), share=shares),
    st.builds(
        Middle, at_ms=ms, sender=names, receiver=names, behaviour=st.just("drop"), for_ms=ms, share=shares
    ),
)


@given(st.lists(facts, max_size=20))
def test_a_plan_survives_its_file(faults: list[Fault]) -> None:
    plan = Plan(tuple(faults))
    assert decode_plan(encode_plan(plan), "plan.json") == plan


def test_each_fact_has_a_line_of_its_own() -> None:
    plan = Plan((Crash(at_ms=1, host="n0", down_ms=2), Stop(at_ms=3, host="n1")))
    assert len(encode_plan(plan).decode().splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[]", "Expected `object`"),
        (b"{", "truncated"),
        (b"\xff", "malformed"),
        (b'{"faults": [{"fault": "meteor", "at_ms": 1}]}', "meteor"),
        (b'{"faults": [{"fault": "crash", "at_ms": -1, "host": "n0", "down_ms": 1}]}', ">= 0"),
        (b'{"faults": [{"fault": "crash", "at_ms": 1, "host": "n0"}]}', "down_ms"),
        (b'{"faults": [{"fault": "weather", "at_ms": 1, "for_ms": 1, "loss": 2}]}', "<= 1"),
        (b'{"faults": [], "more": 1}', "more"),
        (b" " * (PLAN_BYTES_MAX + 1), "longer than"),
    ],
)
def test_what_is_no_plan_is_refused_in_a_sentence(text: bytes, said: str) -> None:
    with pytest.raises(SettingsError, match="plan") as refused:
        decode_plan(text, "plan.json")
    assert said in str(refused.value)
