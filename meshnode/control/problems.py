"""A refusal, as the control API tells of it."""

from typing import Any, cast

from meshnode.control.shapes import Candidate, Problem
from protocols.errors import RefusedError

CANDIDATES_MAX = 32


def problem_of(error: RefusedError) -> Problem:
    """Its attribute `candidates`, where it has one, holds pairs of NodeId and label."""
    found = cast("list[tuple[Any, Any]]", getattr(error, "candidates", []))
    candidates = [Candidate(node_id=str(node), label=str(label)) for node, label in found[:CANDIDATES_MAX]]
    return Problem(code=error.code, message=str(error), candidates=candidates)
