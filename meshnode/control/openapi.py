"""The OpenAPI document, written from the table of routes and the shapes."""

from typing import Any

import msgspec

from meshnode.control.routes import EVENTS_PATH, HEALTH_PATH, METRICS_PATH, OPENAPI_PATH, ROUTES, Route
from meshnode.control.shapes import ErrorAnswer, Event, Health

REFERENCE = "#/components/schemas/{name}"


def openapi_document(version: str) -> dict[str, Any]:
    shapes = [route.request for route in ROUTES if route.request]
    answers = [route.answer for route in ROUTES]
    _, schemas = msgspec.json.schema_components(
        [*shapes, *answers, ErrorAnswer, Event, Health], ref_template=REFERENCE
    )
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "meshnode control API", "version": version, "license": {"name": "MIT"}},
        "servers": [
            {"url": "http://localhost", "description": "the Unix socket, or loopback TCP with the token"}
        ],
        "security": [{}, {"token": []}],
        "paths": paths | _not_in_the_table(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "responses": {
            "200": _json_answer(route.summary, _schema(route.answer)),
            "default": _json_answer("It was refused or failed; the sentence says why", _schema(ErrorAnswer)),
        },
    }
    if route.request is None:
        return operation
    if route.method == "POST":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(route.request)}},
        }
        return operation
    schema = schemas[route.request.__name__]
    operation["parameters"] = [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": field}
        for name, field in schema["properties"].items()
    ]
    return operation


def _not_in_the_table() -> dict[str, Any]:
    resume = {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "Begin just after this event",
    }
    return {
        EVENTS_PATH: _get(
            "events", "All that happens, as server-sent events", "text/event-stream", _schema(Event), [resume]
        ),
        HEALTH_PATH: _get("health", "200 when well, 503 when not", "application/json", _schema(Health)),
        METRICS_PATH: _get("metrics", "Numbers for Prometheus", "text/plain", {"type": "string"}),
        OPENAPI_PATH: _get("openapi", "This document", "application/json", {"type": "object"}),
    }


def _get(
    operation: str,
    summary: str,
    content: str,
    schema: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    answer = {"description": summary, "content": {content: {"schema": schema}}}
    get = {"operationId": operation, "summary": summary, "responses": {"200": answer}}
    return {"get": get | ({"parameters": parameters} if parameters else {})}


def _json_answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schema(shape: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([shape], ref_template=REFERENCE)
    return schema
