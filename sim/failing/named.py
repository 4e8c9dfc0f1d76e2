"""A run by name, for processes of their own: `package.module:function`, as entry points are named."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from protocols.errors import SettingsError

RUN_CASE = "sim.failing.run:run_case"


def named(name: str) -> Callable[..., Any]:
    """Raises SettingsError."""
    module, _, function = name.partition(":")
    try:
        found: Any = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"there is no {name!r}: {error}") from None
    return found
