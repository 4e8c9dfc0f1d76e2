"""Failures that were found and mended stay mended. tests/corpus/README.md says how one is added."""

from pathlib import Path

import pytest

from sim.failing import corpus, read_specimen
from sim.failing.run import run_case

FOLDER = Path(__file__).parent.parent / "corpus"


@pytest.mark.parametrize("path", corpus(FOLDER), ids=lambda path: path.stem)
def test_what_was_mended_holds(path: Path) -> None:
    specimen = read_specimen(path)
    result = run_case(specimen.case)
    assert not result.broken, f"{specimen.broke} broke once: {specimen.mended}"
    assert result.ended == "done"
