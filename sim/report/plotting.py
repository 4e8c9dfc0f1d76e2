"""The one place that knows Plotly, imported when a report is drawn and not before."""

import importlib
from typing import Any

from protocols.errors import SettingsError
from sim.report.canvas import Spec


def need_plotting() -> None:
    """Raises SettingsError where Plotly is missing; ask before a long run rather than after it."""
    _plotly("graph_objects")


def checked(figure: Spec) -> Spec:
    """As Plotly reads it: a property that it doesn't know raises ValueError, here and not in a reader's browser."""
    graph_objects = _plotly("graph_objects")
    drawn: Spec = graph_objects.Figure(figure).to_plotly_json()
    drawn["layout"].pop("template", None)  # its default look: the page has its own
    return drawn


def library() -> str:
    """Plotly's JavaScript, for the inside of a script tag."""
    return str(_plotly("offline").get_plotlyjs())


def _plotly(part: str) -> Any:
    """Not typed by its makers, so that strictness ends here."""
    try:
        return importlib.import_module(f"plotly.{part}")
    except ImportError:
        raise SettingsError(
            "a report needs Plotly, which is not installed; install the extra: pip install 'meshnode[sim]'"
        ) from None
