"""What programs read."""

import json
from collections.abc import Callable
from math import inf, nan

from sim.report import as_json
from sim.result import Result

ResultOf = Callable[..., Result]


def test_the_promised_keys_come_first_and_in_their_order(result_of: ResultOf) -> None:
    keys = list(as_json(result_of()))
    assert keys[:10] == [
        "scenario",
        "seed",
        "nodes",
        "digest",
        "events",
        "virtual_s",
        "wall_s",
        "metrics",
        "goals",
        "oracles",
    ]


def test_the_rest_is_there_as_well_but_not_what_fills_screens(result_of: ResultOf) -> None:
    keys = set(as_json(result_of()))
    assert {"lane", "broken", "ended", "settings", "plan"} <= keys
    assert not {"samples", "chunks"} & keys


def test_what_is_no_number_is_null(result_of: ResultOf) -> None:
    told = json.dumps(as_json(result_of(metrics={"delivery": nan, "latency_p50_s": inf})), allow_nan=False)
    assert json.loads(told)["metrics"] == {"delivery": None, "latency_p50_s": None}
