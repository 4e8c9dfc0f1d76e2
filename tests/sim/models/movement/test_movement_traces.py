from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.models.movement import (
    TRACE_BYTES_MAX,
    Contact,
    ContactChange,
    ContactTrace,
    TraceError,
    WorkingDays,
    import_contacts,
    read_contacts,
    working_days,
    write_contacts,
)
from sim.timeline import NS_PER_S

ROOT = Path(__file__).parents[4]
MEASURED = ROOT.parent / "shared" / "data" / "mobility"  # of others; lies beside a checkout or nowhere
HEADER = "# meshnode contacts 1\n# nodes 4\n# scan_s 120\nstart_s,end_s,a,b\n"


def contact(start_s: int, lasts_s: int, a: int, more: int) -> Contact:
    return Contact(start_s, start_s + lasts_s, a, a + more)


contact_rows = st.builds(
    contact, st.integers(0, 5_000), st.integers(0, 600), st.integers(0, 5), st.integers(1, 4)
)
made_up = st.builds(
    ContactTrace, st.just(10), st.integers(1, 300), st.lists(contact_rows, max_size=30).map(tuple)
)


def trace(*rows: tuple[int, int, int, int], scan_s: int = 120) -> ContactTrace:
    return ContactTrace(4, scan_s, tuple(Contact(*row) for row in rows))


def seconds(changes: list[ContactChange]) -> list[tuple[int, bool]]:
    return [(change.at_ns // NS_PER_S, change.up) for change in changes]


# -- what a trace means ---------------------------------------------------------------------------------------


def test_a_contact_seen_once_lasts_one_scan() -> None:
    assert list(trace((60, 60, 0, 1)).changes()) == [
        ContactChange(60 * NS_PER_S, up=True, a=0, b=1),
        ContactChange(180 * NS_PER_S, up=False, a=0, b=1),
    ]


def test_contacts_that_touch_once_lengthened_are_one() -> None:
    assert seconds(list(trace((0, 0, 0, 1), (120, 130, 0, 1), (241, 300, 0, 1)).changes())) == [
        (0, True),
        (240, False),
        (241, True),
        (361, False),
    ]


def test_a_contact_within_another_does_not_end_it() -> None:
    assert seconds(list(trace((0, 1_000, 0, 1), (10, 20, 0, 1)).changes())) == [(0, True), (1_000, False)]


@given(trace=made_up)
def test_each_pair_meets_and_parts_in_turn_within_the_span(trace: ContactTrace) -> None:
    up: set[tuple[int, int]] = set()
    changes = list(trace.changes())
    assert changes == sorted(changes)
    for change in changes:
        pair = (change.a, change.b)
        assert (pair in up) != change.up
        up ^= {pair}
    assert up == set()
    assert max((change.at_ns for change in changes), default=0) == trace.span_s * NS_PER_S


@given(trace=made_up)
def test_whenever_somebody_was_seen_they_are_in_contact(trace: ContactTrace) -> None:
    changes = list(trace.changes())
    for contact in trace.contacts:
        for when_s in (contact.start_s, contact.end_s - (contact.end_s > contact.start_s)):
            last = [
                change
                for change in changes
                if (change.a, change.b) == (contact.a, contact.b) and change.at_ns <= when_s * NS_PER_S
            ]
            assert last[-1].up


# -- the format -----------------------------------------------------------------------------------------------


@given(trace=made_up)
def test_a_trace_survives_being_written_and_read(trace: ContactTrace) -> None:
    assert read_contacts(write_contacts(trace)) == trace


def test_a_trace_as_it_is_documented() -> None:
    data = write_contacts(trace((60, 60, 0, 1), (0, 300, 2, 3)))
    assert data.decode() == HEADER + "0,300,2,3\n60,60,0,1\n"
    document = (ROOT / "docs" / "traces.md").read_text()
    example = document.split("```csv\n")[1].split("```")[0]
    assert write_contacts(read_contacts(example.encode())).decode() == example


def test_rows_may_come_in_any_order_and_either_node_first_and_lines_may_end_in_two_ways() -> None:
    data = HEADER + "60,60,1,0\r\n0,300,2,3"
    assert read_contacts(data.encode()) == trace((60, 60, 0, 1), (0, 300, 2, 3))


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("", 1, 1, "begins with"),
        ("start_s,end_s,a,b\n", 1, 1, "begins with"),
        ("# meshnode contacts 1\n", 2, 1, "# nodes"),
        ("# meshnode contacts 1\n# nodes none\n", 2, 9, "nodes"),
        ("# meshnode contacts 1\n# nodes 4\n# nodes 4\n", 3, 1, "# scan_s"),
        ("# meshnode contacts 1\n# nodes 4\n# scan_s 0\n", 3, 10, "scan_s"),
        ("# meshnode contacts 1\n# nodes 4\n# scan_s 1\nstart,end,a,b\n", 4, 1, "columns"),
        (HEADER + "0,1,0\n", 5, 1, "3 fields"),
        (HEADER + "0,1,0,1\n\n", 6, 1, "1 fields"),
        (HEADER + "0,1,0,1\n-1,1,0,1\n", 6, 1, "start_s"),
        (HEADER + "0,1.5,0,1\n", 5, 3, "end_s"),
        (HEADER + "10,9,0,1\n", 5, 4, "before"),
        (HEADER + "0,100000001,0,1\n", 5, 3, "end_s"),
        (HEADER + "0,1,4,1\n", 5, 5, "a is"),
        (HEADER + "0,1,1,17\n", 5, 7, "b is"),
        (HEADER + "0,1,2,2\n", 5, 7, "itself"),
        (HEADER + "0,1,2,\u00e9\n", 5, 7, "ASCII"),
        (HEADER + "0," * 200 + "\n", 5, 257, "longer"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(TraceError, match=word) as caught:
        read_contacts(text.encode())
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def error_of(data: bytes) -> TraceError | None:
    try:
        read_contacts(data)
    except TraceError as error:
        return error
    return None


@given(data=st.binary(max_size=400))
def test_any_bytes_are_a_trace_or_an_error_that_says_where(data: bytes) -> None:
    for start in (b"", HEADER.encode(), HEADER.encode() + b"0,1,"):
        error = error_of(start + data)
        assert error is None or (error.line >= 1 and error.column >= 1)


@given(data=st.text("0123456789,\n# ab", max_size=60))
def test_nearly_right_rows_are_a_trace_or_an_error_within_the_file(data: str) -> None:
    error = error_of((HEADER + data).encode())
    assert error is None or 5 <= error.line <= HEADER.count("\n") + data.count("\n") + 1


@given(data=st.one_of(st.binary(max_size=100), st.text("0123456789,\nab", max_size=60).map(str.encode)))
def test_any_bytes_of_others_are_a_trace_or_an_error(data: bytes) -> None:
    with suppress(TraceError):
        taken, names = import_contacts(b"a,b,c,d\n" + data, scan_s=120)
        assert len(names) == taken.nodes >= 2


def test_what_is_too_large_is_not_taken_apart() -> None:
    with pytest.raises(TraceError, match="larger than"):
        read_contacts(bytes(TRACE_BYTES_MAX + 1))
    with pytest.raises(TraceError, match="more than 1,000,000 contacts"):
        read_contacts(b"\n" * 1_000_005)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ContactTrace(0, 120, ()),
        lambda: ContactTrace(100_001, 120, ()),
        lambda: ContactTrace(2, 0, ()),
        lambda: ContactTrace(2, 120, (Contact(0, 1, 1, 1),)),
        lambda: ContactTrace(2, 120, (Contact(0, 1, 0, 2),)),
        lambda: ContactTrace(2, 120, (Contact(2, 1, 0, 1),)),
        lambda: ContactTrace(2, 120, (Contact(2, 2, 0, 1),) * 1_000_001),
        lambda: WorkingDays(people=1),
        lambda: WorkingDays(days=0),
        lambda: WorkingDays(people=5_000, days=5),
        lambda: WorkingDays(people=4, friends=4),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(SettingsError):
        make()


# -- traces of others -----------------------------------------------------------------------------------------


def test_a_trace_of_others_is_taken_over_with_its_names() -> None:
    data = b"from,until,one,other\n1000,1060,10,9\n940,940,9,phone\n"
    taken, names = import_contacts(data, scan_s=60)
    assert names == ("9", "10", "phone")
    assert taken == ContactTrace(3, 60, (Contact(0, 0, 0, 2), Contact(60, 120, 0, 1)))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 2, 1),
        ("a,b,c,d\n", 2, 1),
        ("a,b,c,d\n1,2,x\n", 2, 1),
        ("a,b,c,d\n1,2,x,\n", 2, 7),
        ("a,b,c,d\n1,2,x,x\n", 2, 7),
        ("a,b,c,d\n1,2,x,y\n1,2,\x07,y\n", 3, 5),
        ("a,b,c,d\n" + "".join(f"0,0,a{n},b{n}\n" for n in range(50_001)), 1, 1),
    ],
)
def test_what_is_wrong_in_a_trace_of_others_is_named_too(text: str, line: int, column: int) -> None:
    with pytest.raises(TraceError) as caught:
        import_contacts(text.encode(), scan_s=120)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.skipif(not MEASURED.is_dir(), reason="measured traces don't lie beside this checkout")
@pytest.mark.parametrize(
    ("name", "nodes", "contacts"),
    [
        ("haggle-intel-9.csv", 9, 1_001),
        ("haggle-computer-lab-12.csv", 12, 2_789),
        ("haggle-city-students-36.csv", 36, 7_592),
    ],
)
def test_measured_traces_are_taken_over(name: str, nodes: int, contacts: int) -> None:
    taken, names = import_contacts((MEASURED / name).read_bytes(), scan_s=120)
    assert (taken.nodes, len(names), len(taken.contacts)) == (nodes, nodes, contacts)
    assert read_contacts(write_contacts(taken)) == taken
    changes = list(taken.changes())
    assert changes == sorted(changes)
    assert sum(change.up for change in changes) * 2 == len(changes)


# -- made up --------------------------------------------------------------------------------------------------


def test_the_same_die_makes_up_the_same_days() -> None:
    first, again, other = (working_days(Random(seed), WorkingDays()) for seed in (1, 1, 2))
    assert first == again != other


def test_people_meet_by_day_and_many_are_seen_but_once() -> None:
    made = working_days(Random(1), WorkingDays())
    hours = {contact.start_s % 86_400 // 3_600 for contact in made.contacts}
    assert min(hours) >= 8
    assert max(hours) <= 22
    once = sum(contact.start_s == contact.end_s for contact in made.contacts)
    assert 0.35 < once / len(made.contacts) < 0.5
    assert 15 < len(made.contacts) / (36 * 5) < 50  # a person's day in measured traces: 18 to 44


def test_gaps_between_meetings_have_a_heavy_tail() -> None:
    made = working_days(Random(1), WorkingDays(days=20))
    last: dict[tuple[int, int], int] = {}
    gaps_s: list[int] = []
    for contact in made.contacts:
        pair = (contact.a, contact.b)
        if pair in last:
            gaps_s.append(contact.start_s - last[pair])
        last[pair] = contact.end_s
    gaps_s.sort()
    middle_s, mean_s = gaps_s[len(gaps_s) // 2], sum(gaps_s) / len(gaps_s)
    assert middle_s < 3_600 < 3 * middle_s + mean_s
    assert mean_s > 5 * middle_s


def test_groups_meet_more_than_friends_and_strangers_never() -> None:
    made = working_days(Random(1), WorkingDays(people=60))
    together = sum(contact.a // 6 == contact.b // 6 for contact in made.contacts)
    assert together > 0.7 * len(made.contacts)
    pairs = {(contact.a, contact.b) for contact in made.contacts}
    assert len(pairs) < 60 * 59 / 2 / 4
