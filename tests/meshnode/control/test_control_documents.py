"""What describes the API: the OpenAPI document, the metrics text, the written page."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meshnode.client import MeshClient
from meshnode.control import Sample, shapes
from meshnode.control.metrics import prometheus_text
from meshnode.control.openapi import openapi_document
from meshnode.control.paths import default_data_dir
from meshnode.control.routes import EVENTS_PATH, HEALTH_PATH, METRICS_PATH, OPENAPI_PATH, ROUTES
from meshnode.times import rfc3339
from protocols.errors import LocalError

PAGE = Path(__file__).parents[3] / "docs" / "control-api.md"
ALL_PATHS = [EVENTS_PATH, HEALTH_PATH, METRICS_PATH, OPENAPI_PATH, *(route.path for route in ROUTES)]


def references(value: Any) -> list[str]:
    return re.findall(r'"\$ref":"([^"]*)"', msgspec.json.encode(value).decode())


def test_every_route_is_in_the_openapi_document_with_its_shapes() -> None:
    document = openapi_document("1.2.3")
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == set(ALL_PATHS)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {route.operation for route in ROUTES} <= set(names)
    for operation in operations:
        assert operation["summary"]
        assert all(answer["description"] and answer["content"] for answer in operation["responses"].values())
    schemas = document["components"]["schemas"]
    assert references(document)
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_query_parameters_carry_the_names_of_the_contract() -> None:
    explain = openapi_document("1")["paths"]["/v1/policy/explain"]["get"]
    assert [(one["name"], one["required"]) for one in explain["parameters"]][:3] == [
        ("peer", True),
        ("size", False),
        ("class", False),
    ]


async def test_the_openapi_document_is_served(client: MeshClient) -> None:
    assert await client.openapi() == msgspec.json.decode(msgspec.json.encode(openapi_document("1")))


def test_the_page_on_the_control_api_names_every_path_and_every_key() -> None:
    page = PAGE.read_text()
    for path in ALL_PATHS:
        assert f"`{path}`" in page, path
    for route in ROUTES:
        for shape in (route.request, route.answer):
            for name in _keys(shape):
                assert re.search(rf"\b{name}\b", page), f"{route.path}: {name}"


def _keys(shape: Any) -> list[str]:
    inner = getattr(shape, "__args__", (shape,))[0]
    return [field.encode_name for field in msgspec.structs.fields(inner)] if inner is not None else []


def test_the_words_of_the_contract_stand_in_the_shapes() -> None:
    def keys(shape: type[msgspec.Struct]) -> list[str]:
        return [field.encode_name for field in msgspec.structs.fields(shape)]

    assert keys(shapes.Identity) == ["node_id", "short", "name", "fingerprint"]
    assert keys(shapes.Status)[:9] == [
        *("node_id", "name", "version", "uptime_s", "peers", "links", "transports", "services", "store")
    ]
    assert keys(shapes.Peer)[:5] == ["node_id", "name", "state", "trust", "links"]
    assert keys(shapes.LinkInfo) == ["transport", "address", "rtt_ms", "up_s", "bytes_in", "bytes_out"]
    assert keys(shapes.Sent)[:2] == ["message_id", "state"]
    assert keys(shapes.Message)[:7] == ["message_id", "from", "to", "text", "at", "direction", "state"]
    assert keys(shapes.Pong) == ["sent", "received", "rtt_ms", "path"]
    assert keys(shapes.RoundTrips) == ["min", "p50", "p99"]
    assert keys(shapes.PolicyAnswer) == ["transport", "link", "reason", "considered"]
    assert keys(shapes.Considered) == ["transport", "score", "why"]


# Metrics


def test_samples_of_one_name_stand_together_with_their_text_escaped() -> None:
    text = prometheus_text(
        [
            Sample("a_total", 3.0, "counter", "Up\\and\nup", {"peer": 'b"o\\b\n'}),
            Sample("b", 0.25, "gauge", "Else"),
            Sample("a_total", 2**60, "counter", "Up", {"peer": "x"}),
        ]
    )
    assert text.decode().splitlines() == [
        "# HELP a_total Up\\\\and\\nup",
        "# TYPE a_total counter",
        'a_total{peer="b\\"o\\\\b\\n"} 3',
        'a_total{peer="x"} 1152921504606846976',
        "# HELP b Else",
        "# TYPE b gauge",
        "b 0.25",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(float("nan"), "NaN"), (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (1e-9, "1e-09")],
)
def test_numbers_that_are_none_have_their_own_words(value: float, shown: str) -> None:
    assert prometheus_text([Sample("a", value, "gauge", "")]).decode().splitlines()[-1] == f"a {shown}"


@pytest.mark.parametrize("sample", [Sample("a b", 1, "gauge", ""), Sample("a", 1, "gauge", "", {"b-c": "x"})])
def test_a_name_that_prometheus_would_choke_on_is_our_bug(sample: Sample) -> None:
    with pytest.raises(LocalError):
        prometheus_text([sample])


# Times and places


@pytest.mark.parametrize(
    ("wall_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045_678_999_999, "2026-01-02T03:04:05.678Z"),
        (-5, "1970-01-01T00:00:00.000Z"),
        (2**80, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_times_are_rfc3339_in_utc_whatever_the_clock_says(wall_ns: int, text: str) -> None:
    assert rfc3339(wall_ns) == text


@pytest.mark.parametrize(
    ("environ", "platform", "ending"),
    [
        ({"MESHNODE_DATA_DIR": "/srv/mesh"}, "linux", "/srv/mesh"),
        ({}, "linux", ".local/share/meshnode"),
        ({"XDG_DATA_HOME": "/data"}, "linux", "/data/meshnode"),
        ({"XDG_DATA_HOME": "relative"}, "linux", ".local/share/meshnode"),
        ({}, "darwin", "Library/Application Support/meshnode"),
    ],
)
def test_the_default_data_directory_is_the_platforms(
    environ: dict[str, str], platform: str, ending: str
) -> None:
    assert str(default_data_dir(environ, platform)).endswith(ending)
