from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.failing import Failure, decode_failure, encode_failure, failure_of, read_failure, write_failure
from sim.failing.file import FAILURE_BYTES_MAX, REFUSED_MAX, TEXT_CHARS_MAX, shrunk_path
from sim.result import Broken, Result

MakeResult = Callable[..., Result]


@pytest.fixture
def failure(make_result: MakeResult) -> Failure:
    return failure_of(make_result(None, Broken("once", "n3", "arrived twice", 12.345_678_901)))


def test_what_is_written_is_read(tmp_path: Path, failure: Failure) -> None:
    path = tmp_path / "a.failure.json"
    write_failure(path, failure)
    assert read_failure(path) == failure
    assert [each.name for each in tmp_path.iterdir()] == ["a.failure.json"]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_failure_or_a_refusal(data: bytes) -> None:
    with pytest.raises(SettingsError, match="x is"):
        decode_failure(data, "x")


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(
        encode_failure(
            Failure(
                scenario="room",
                seed=7,
                settings={"a": "b"},
                nodes=2,
                lane="b",
                oracle="once",
                who="n1",
                what="é",
                at_s=1.5,
                digest="00",
                meshnode="1",
                python="3",
                plan=msgspec.json.decode(PLAN, type=PLAN_TYPE),
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(SettingsError):
        decode_failure(bytes(whole), "x")


PLAN = b'{"faults": [{"fault": "crash", "at_ms": 5, "host": "n1", "down_ms": 7}]}'
PLAN_TYPE = Failure.__annotations__["plan"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"{}", "no failure file: .*version"),
        (b'{"version": 2}', "version 2; this simulator reads 1"),
        (b'{"version": 1}', "no failure file: .*scenario"),
        (b"[" * 100_000, "no failure file"),
        (b'{"version": 1, "plan": ' + b'{"a":' * 100_000, "no failure file"),
        (b" " * (FAILURE_BYTES_MAX + 1), "longer than"),
    ],
)
def test_a_refusal_says_why(data: bytes, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        decode_failure(data, "x")


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.failure\.json can't be read"):
        read_failure(tmp_path / "gone.failure.json")


def test_a_file_that_can_not_be_written_is_refused_by_name(tmp_path: Path, failure: Failure) -> None:
    with pytest.raises(SettingsError, match="can't be written"):
        write_failure(tmp_path / "nowhere" / "a.failure.json", failure)


def test_what_an_oracle_says_and_what_a_shrinker_refused_are_bounded(make_result: MakeResult) -> None:
    result: Result = make_result(None, Broken("once", "n3", "x" * 99_999, 1.0))
    failure = failure_of(result, refused=tuple(f"{number:016x}" for number in range(REFUSED_MAX * 2)))
    assert len(failure.what) == TEXT_CHARS_MAX
    assert len(failure.refused) == REFUSED_MAX
    assert failure.refused[-1] == f"{REFUSED_MAX * 2 - 1:016x}"


def test_a_shrunk_file_lies_beside_and_stays_where_it_is() -> None:
    shrunk = shrunk_path(Path("b/a.failure.json"))
    assert shrunk == Path("b/a.shrunk.failure.json")
    assert shrunk_path(shrunk) == shrunk
