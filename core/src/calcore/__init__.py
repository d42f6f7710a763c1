"""Calibration of James Webb Space Telescope data.

The names below are loaded when they are first used, so that ``import calcore`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcore.run import open as open  # noqa: A004
    from calcore.run import run as run

__all__ = ["__version__", "open", "run"]

__version__ = "0.1.0"

_HOMES = {"open": "calcore.run", "run": "calcore.run"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
