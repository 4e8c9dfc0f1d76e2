"""Samples in the Prometheus text format, version 0.0.4.

Spec: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
import re
from collections.abc import Iterable

from meshnode.control.backend import Sample
from protocols.errors import LocalError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def prometheus_text(samples: Iterable[Sample]) -> bytes:
    """Samples of one name stand together, in the order in which the names first came. LocalError for a bad name."""
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.name, []).append(sample)
    lines: list[str] = []
    for name, family in families.items():
        if not NAME.fullmatch(name):
            raise LocalError(f"{name!r} cannot name a metric")
        lines += [f"# HELP {name} {_escape(family[0].help)}", f"# TYPE {name} {family[0].kind}"]
        lines += [f"{name}{_labels(sample)} {_number(sample.value)}" for sample in family]
    return "".join(f"{line}\n" for line in lines).encode()


def _labels(sample: Sample) -> str:
    if not sample.labels:
        return ""
    if bad := [name for name in sample.labels if not LABEL.fullmatch(name)]:
        raise LocalError(f"{bad[0]!r} cannot name a label")
    pairs = (f'{name}="{_escape(value, quoted=True)}"' for name, value in sample.labels.items())
    return "{" + ",".join(pairs) + "}"


def _escape(text: str, *, quoted: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
