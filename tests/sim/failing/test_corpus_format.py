from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import SettingsError
from sim.failing import Specimen, corpus, encode_specimen, failure_of, read_specimen, specimen_of
from sim.failing.corpus import SPECIMEN_BYTES_MAX, decode_specimen
from sim.result import Broken, Result

MakeResult = Callable[..., Result]


def test_a_failure_becomes_a_specimen_that_runs_the_same(tmp_path: Path, make_result: MakeResult) -> None:
    failure = failure_of(make_result(None, Broken("once", "n3", "arrived twice", 12.5)))
    path = tmp_path / "once-room-7.json"
    path.write_bytes(encode_specimen(specimen_of(failure, mended="ids are kept over a restart")))
    specimen = read_specimen(path)
    assert specimen.case == failure.case
    assert (specimen.broke, specimen.mended) == ("once", "ids are kept over a restart")
    assert corpus(tmp_path) == [path]


def test_an_empty_corpus_is_fine(tmp_path: Path) -> None:
    assert corpus(tmp_path) == []
    assert corpus(tmp_path / "nowhere") == []


@given(st.binary(max_size=200))
def test_any_bytes_are_a_specimen_or_a_refusal(data: bytes) -> None:
    with pytest.raises(SettingsError, match="x is no specimen"):
        decode_specimen(data, "x")


def test_one_that_was_not_shrunk_is_refused() -> None:
    large = encode_specimen(Specimen(scenario="room", seed=7, broke="once", mended="x" * SPECIMEN_BYTES_MAX))
    with pytest.raises(SettingsError, match="shrink it first"):
        decode_specimen(large, "x")
