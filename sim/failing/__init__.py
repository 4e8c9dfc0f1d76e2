"""What becomes of a run that fails: a file, a screen, a replay, a smaller run, and a place in the corpus.

`sim.failing.run` has the function that runs a case; all else here is handed one.
"""

from sim.failing.case import Case, Run, case_of
from sim.failing.commands import Replay, Shrunk, replay, shrink
from sim.failing.corpus import Specimen, corpus, encode_specimen, read_specimen, specimen_of
from sim.failing.file import (
    SUFFIX,
    Failure,
    decode_failure,
    encode_failure,
    failure_of,
    read_failure,
    write_failure,
)
from sim.failing.screen import Circumstances, screen_of
from sim.failing.shrinker import Shrinker, Step

__all__ = [
    "SUFFIX",
    "Case",
    "Circumstances",
    "Failure",
    "Replay",
    "Run",
    "Shrinker",
    "Shrunk",
    "Specimen",
    "Step",
    "case_of",
    "corpus",
    "decode_failure",
    "encode_failure",
    "encode_specimen",
    "failure_of",
    "read_failure",
    "read_specimen",
    "replay",
    "screen_of",
    "shrink",
    "specimen_of",
    "write_failure",
]
